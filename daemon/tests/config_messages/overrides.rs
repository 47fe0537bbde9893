//! Variables of the process environment: what they may set, and what is refused and not shown.

use crate::{GOOD, load_with};

#[test]
fn a_variable_overrides_a_key_and_is_named_as_its_source() {
    let environment = [
        ("MILLRUN_HOT__IDLE", "spin"),
        ("MILLRUN_ENGINE__ORDER_CAPACITY", "1024"),
        ("MILLRUN_VENUE__OKX__SETTLE_MS", "50"),
        ("MILLRUN_JOURNAL__ALLOW_TMPFS", "true"),
        ("MILLRUN_CONFIG", "/etc/millrun.toml"),
        ("PATH", "/bin"),
    ];
    let settings = load_with(GOOD, &environment).unwrap();
    assert_eq!(settings.hot.idle, millrun::config::Idle::Spin);
    assert_eq!(settings.engine.order_capacity, 1024);
    assert_eq!(settings.venues[0].settle_ms, 50);
    assert!(settings.journal.allow_tmpfs);
    let text = millrun::config::describe(&settings);
    assert!(
        text.contains("= \"spin\"  # environment:MILLRUN_HOT__IDLE"),
        "{text}"
    );
    assert!(text.contains("engine.instance_tag"), "{text}");
}

// covers: G01 S01
#[test]
fn a_variable_that_sets_nothing_or_a_secret_is_refused_and_its_value_is_not_shown() {
    let environment = [
        ("MILLRUN_VENUE__OKX__API_SECRET", "HUNTER2HUNTER2"),
        ("MILLRUN_HOT__IDEL", "spin"),
        ("MILLRUN_ENGINE_ORDER_CAPACITY", "1024"),
        ("MILLRUN_STRATEGY__GRID__UID", "5"),
        ("MILLRUN_ENGINE__INSTANCE_TAG", "many"),
    ];
    let no_override = "the environment cannot set this; only MILLRUN_<SECTION>__<KEY> and \
                       MILLRUN_VENUE__<NAME>__<KEY> of known keys; unset it and write the value \
                       into the file";
    let errors = load_with(GOOD, &environment).unwrap_err().to_string();
    let expected = [
        format!(
            "environment:MILLRUN_ENGINE_ORDER_CAPACITY: engine_order_capacity: {no_override}"
        ),
        "environment:MILLRUN_ENGINE__INSTANCE_TAG: engine.instance_tag: is another text; must be a \
         whole number; write it so"
            .to_owned(),
        "environment:MILLRUN_HOT__IDEL: hot.idel: no such key; only known keys are allowed; did \
         you mean `idle`? else remove it"
            .to_owned(),
        format!("environment:MILLRUN_STRATEGY__GRID__UID: strategy.grid.uid: {no_override}"),
        "environment:MILLRUN_VENUE__OKX__API_SECRET: venue.okx.api_secret: secrets are not read \
         from here; only from a file of mode 0600; remove it, put it into the venue's \
         credentials_file, and change the key at the venue if others could read it here"
            .to_owned(),
    ];
    assert_eq!(errors, expected.join("\n"));
    assert!(!errors.contains("HUNTER2"));
}
