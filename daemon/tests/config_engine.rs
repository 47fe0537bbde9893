//! From settings and a venue's rules to the engine's configuration: scales, exact limits, kept ids.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use millrun::config::{Settings, VenueInstrument, VenueSettings};
use model::engine_config::{OnLoss, RateRule, RateScope};
use model::instrument::{InstrumentKind, InstrumentState};
use model::{EngineConfig, InstrumentId, StrategyId};
use proptest::prelude::*;
use std::path::Path;

const HEAD: &str = r#"[engine]
instance_tag = 7
[data]
directory = "data"
[venue.okx]
kind = "okx"
environment = "simulator"
rest_url = "https://127.0.0.1:8443"
ws_url = "wss://127.0.0.1:8443/ws/v5/private"
ca_file = "ca.pem"
credentials_file = "okx.credentials"
[risk]
max_order_notional = "50000.25"
max_open_orders = 200
max_orders_per_s = 30
"#;

fn instrument_entry(symbol: &str, limit: &str) -> String {
    format!(
        "[[instrument]]\nvenue = \"okx\"\nsymbol = {symbol:?}\ntrade_mode = \"cross\"\n\
         max_order_qty = {limit:?}\nmax_long = \"0\"\nmax_short = \"12\"\n"
    )
}

fn settings(entries: &[String]) -> Settings {
    let text = format!("{HEAD}{}", entries.concat());
    Settings::parse(&text, Path::new("m.toml"), &[]).unwrap_or_else(|errors| panic!("{errors}"))
}

/// A swap as OKX lists it.
fn swap(symbol: &str) -> VenueInstrument {
    VenueInstrument {
        venue: "okx".to_owned(),
        symbol: symbol.to_owned(),
        venue_code: 10_459,
        kind: InstrumentKind::Linear,
        state: InstrumentState::Live,
        tick: "0.1".to_owned(),
        lot: "0.01".to_owned(),
        quantity_min: "0.01".to_owned(),
        quantity_max: "100000000".to_owned(),
        multiplier: "0.01".to_owned(),
    }
}

/// A spot pair as OKX lists it: fine lots and an enormous largest order.
fn spot(symbol: &str) -> VenueInstrument {
    VenueInstrument {
        kind: InstrumentKind::Spot,
        lot: "0.00000001".to_owned(),
        quantity_min: "0.00001".to_owned(),
        quantity_max: "9999999999.0000000000000000".to_owned(),
        multiplier: "1".to_owned(),
        ..swap(symbol)
    }
}

fn no_rates(_: &VenueSettings) -> Vec<RateRule> {
    Vec::new()
}

fn convert(
    settings: &Settings,
    rules: &[VenueInstrument],
    known: Option<&EngineConfig>,
) -> Result<EngineConfig, String> {
    settings
        .engine_config(3, rules, &no_rates, known)
        .map_err(|errors| errors.to_string())
}

#[test]
fn every_value_reaches_the_engine_in_its_units() {
    let strategy = "[[strategy]]\nname = \"grid\"\non_loss = \"keep\"\nmax_open_orders = 5\n";
    let settings = settings(&[instrument_entry("BTC-SWAP", "1.5"), strategy.to_owned()]);
    let rate = RateRule {
        scope: RateScope::Instrument,
        counts_new: true,
        counts_cancel: false,
        counts_replace: false,
        messages: 60,
        window_ns: 2_000_000_000,
    };
    let rates = |venue: &VenueSettings| {
        assert_eq!(venue.name, "okx");
        vec![rate]
    };
    let config = settings
        .engine_config(3, &[swap("BTC-SWAP")], &rates, None)
        .unwrap();
    assert_eq!((config.version, config.instance_tag.get()), (3, 7));
    assert_eq!(config.terminal_keep_ns, 600_000_000_000);
    assert_eq!(config.request_age_max_ns, 1_000_000_000);
    let venue = &config.venues[0];
    assert_eq!((venue.name.as_str(), venue.rates[0]), ("okx", rate));
    assert_eq!(
        (venue.command_window_ns, venue.settle_ns),
        (5_000_000_000, 2_000_000_000)
    );
    let policy = config.instruments[0];
    let instrument = policy.instrument;
    assert_eq!((instrument.price_scale, instrument.quantity_scale), (3, 4));
    assert_eq!(
        (instrument.tick.units(), instrument.lot.units()),
        (100, 100)
    );
    assert_eq!(
        (instrument.multiplier_units, instrument.multiplier_scale),
        (1, 2)
    );
    assert_eq!(instrument.venue_code, 10_459);
    assert_eq!(policy.order_quantity_max.units(), 15_000);
    assert_eq!(
        policy.order_notional_max.0, 50_000_250_000_000,
        "scale 3 + 4 + 2"
    );
    assert_eq!(
        (policy.position_long_max.units(), policy.open_orders_max),
        (0, 200)
    );
    let strategy = config.strategies[0];
    assert_eq!(
        (strategy.open_orders_max, strategy.orders_per_s_max),
        (5, 30)
    );
    assert_eq!(strategy.on_loss, OnLoss::Keep);
}

#[test]
fn a_scale_spares_two_places_unless_a_hundred_largest_orders_would_not_fit() {
    let settings = settings(&[instrument_entry("X", "1")]);
    let scales = |lot: &str, quantity_max: &str| {
        let rules = VenueInstrument {
            lot: lot.to_owned(),
            quantity_min: lot.to_owned(),
            quantity_max: quantity_max.to_owned(),
            ..swap("X")
        };
        let config = convert(&settings, &[rules], None).unwrap();
        let instrument = config.instruments[0].instrument;
        (instrument.quantity_scale, instrument.quantity_max.units())
    };
    assert_eq!(scales("0.01", "1000"), (4, 10_000_000));
    assert_eq!(scales("1", "922337203685477"), (2, 92_233_720_368_547_700));
    assert_eq!(scales("1", "922337203685478"), (1, 9_223_372_036_854_780));
    // Even the lot's own places are too many for a hundred of the largest: those are given up.
    let rounded_down = i64::MAX / 100;
    assert_eq!(
        scales("0.00000001", "9999999999.0000000000000000"),
        (8, rounded_down)
    );
    assert_eq!(scales("1", "1e30"), (0, rounded_down));
}

#[test]
fn a_spot_pair_with_the_finest_lots_can_be_traded() {
    let settings = settings(&[instrument_entry("BTC-USDT", "0.12345678")]);
    let config = convert(&settings, &[spot("BTC-USDT")], None).unwrap();
    assert_eq!(config.instruments[0].order_quantity_max.units(), 12_345_678);
    assert_eq!(config.instruments[0].instrument.defect(), None);
}

#[test]
fn a_limit_finer_than_the_units_or_too_large_for_them_is_refused_and_never_rounded() {
    let refusal = |limit: &str| {
        let settings = settings(&[instrument_entry("X", limit)]);
        convert(&settings, &[swap("X")], None).unwrap_err()
    };
    assert_eq!(
        refusal("1.00001"),
        "m.toml:20: instrument.X.max_order_qty: 1.00001 has more than 4 decimal places; limits are \
         never rounded; shorten it"
    );
    assert_eq!(
        refusal("922337203685478"),
        "m.toml:20: instrument.X.max_order_qty: 922337203685478 does not fit 64 bits at 4 decimal \
         places; write a smaller limit"
    );
    let settings = settings(&[instrument_entry("X", "1.0000000000")]);
    let config = convert(&settings, &[swap("X")], None).unwrap();
    assert_eq!(config.instruments[0].order_quantity_max.units(), 10_000);
}

#[test]
fn a_finer_step_than_the_journal_holds_is_refused_by_name_and_a_coarser_one_taken() {
    let settings = settings(&[instrument_entry("X", "1")]);
    let known = convert(&settings, &[swap("X")], None).unwrap();
    let with = |change: fn(&mut VenueInstrument)| {
        let mut rules = swap("X");
        change(&mut rules);
        convert(&settings, &[rules], Some(&known))
    };
    let refused = |rule: &str, found: &str, scale: u8| {
        format!(
            "m.toml:16: instrument.X: SCALE_TOO_COARSE: X now has {rule} {found}, finer than the \
             {scale} decimal places that the journal fixed; remove the instrument, or start a new \
             journal while flat"
        )
    };
    let tick = with(|rules| rules.tick = "0.0001".to_owned()).unwrap_err();
    assert_eq!(tick, refused("tick", "0.0001", 3));
    let lot = with(|rules| rules.lot = "0.00001".to_owned()).unwrap_err();
    assert_eq!(lot, refused("lot", "0.00001", 4));
    let multiplier = with(|rules| rules.multiplier = "0.001".to_owned()).unwrap_err();
    assert_eq!(multiplier, refused("multiplier", "0.001", 2));
    let kind = with(|rules| rules.kind = InstrumentKind::Inverse).unwrap_err();
    assert!(kind.contains("another kind of contract"), "{kind}");

    let finer = with(|rules| rules.tick = "0.001".to_owned())
        .unwrap()
        .instruments[0]
        .instrument;
    assert_eq!((finer.price_scale, finer.tick.units()), (3, 1));
    let coarser = with(|rules| rules.tick = "5".to_owned())
        .unwrap()
        .instruments[0]
        .instrument;
    assert_eq!((coarser.price_scale, coarser.tick.units()), (3, 5_000));
}

#[test]
fn ids_of_a_journal_keep_their_meaning_and_what_left_the_file_keeps_a_closed_place() {
    let strategy = |name: &str| format!("[[strategy]]\nname = {name:?}\nmax_open_orders = 9\n");
    let (one, two) = (instrument_entry("ONE", "1"), instrument_entry("TWO", "1"));
    let first = settings(&[one.clone(), two, strategy("a"), strategy("b")]);
    let rules = [swap("ONE"), swap("TWO"), swap("NEW")];
    let known = convert(&first, &rules, None).unwrap();

    let new = instrument_entry("NEW", "1");
    let second = settings(&[new, one, strategy("c"), strategy("b")]);
    let config = convert(&second, &rules, Some(&known)).unwrap();
    let symbols: Vec<&str> = config
        .instruments
        .iter()
        .map(|policy| policy.instrument.symbol.as_str())
        .collect();
    assert_eq!(symbols, ["ONE", "TWO", "NEW"]);
    for (at, policy) in config.instruments.iter().enumerate() {
        assert_eq!(
            policy.instrument.id,
            InstrumentId(u32::try_from(at).unwrap())
        );
    }
    let gone = config.instruments[1];
    assert_eq!(gone.instrument.state, InstrumentState::Suspended);
    assert_eq!(
        (gone.open_orders_max, gone.order_quantity_max.units()),
        (0, 0)
    );
    assert_eq!(
        (gone.order_notional_max.0, gone.position_short_max.units()),
        (0, 0)
    );
    assert_eq!(config.instruments[0], known.instruments[0]);

    let names: Vec<&str> = config
        .strategies
        .iter()
        .map(|policy| policy.name.as_str())
        .collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(
        (
            config.strategies[0].open_orders_max,
            config.strategies[0].orders_per_s_max
        ),
        (0, 0)
    );
    assert_eq!(config.strategies[1], known.strategies[1]);
    assert_eq!(config.strategies[2].id, StrategyId(2));
}

#[test]
fn a_venue_that_has_orders_in_the_journal_cannot_leave_the_file() {
    let settings = settings(&[instrument_entry("X", "1")]);
    let known = convert(&settings, &[swap("X")], None).unwrap();
    let mut renamed = settings;
    renamed.venues[0].name = "other".to_owned();
    renamed.instruments[0].venue = "other".to_owned();
    let rules = VenueInstrument {
        venue: "other".to_owned(),
        ..swap("X")
    };
    assert_eq!(
        convert(&renamed, &[rules], Some(&known)).unwrap_err(),
        "m.toml:1: venue.okx: the journal has orders of venue okx and the file has no [venue.okx]; \
         a venue stays as long as its journal; write it again, or start a new journal while flat"
    );
}

#[test]
fn every_instrument_that_the_venue_does_not_list_or_describes_badly_is_named_at_once() {
    let settings = settings(&["A", "B", "C", "D"].map(|symbol| instrument_entry(symbol, "1")));
    let rules = [
        VenueInstrument {
            tick: String::new(),
            ..swap("B")
        },
        VenueInstrument {
            lot: "0".to_owned(),
            ..swap("C")
        },
        VenueInstrument {
            tick: "1e-19".to_owned(),
            ..swap("D")
        },
    ];
    let expected = [
        "m.toml:16: instrument.A: venue okx does not list A; only listed instruments trade; \
         correct the symbol or remove the instrument",
        "m.toml:23: instrument.B: the venue's tick `` is not usable: empty text is not a number; \
         remove the instrument",
        "m.toml:30: instrument.C: the venue's lot `0` is not usable: not above zero; remove the \
         instrument",
        "m.toml:37: instrument.D: the venue's tick `1e-19` is not usable: more than 18 decimal \
         places; remove the instrument",
    ];
    assert_eq!(
        convert(&settings, &rules, None).unwrap_err(),
        expected.join("\n")
    );
}

proptest! {
    #[test]
    fn whatever_a_venue_says_the_result_is_sound_or_a_message(
        texts in proptest::array::uniform5("[0-9]{0,14}(\\.[0-9]{0,20})?(e-?[0-9]{1,3})?|\\PC{0,6}")
    ) {
        let [tick, lot, quantity_min, quantity_max, multiplier] = texts;
        let rules = VenueInstrument {
            tick, lot, quantity_min, quantity_max, multiplier, ..swap("X")
        };
        let settings = settings(&[instrument_entry("X", "0")]);
        if let Ok(config) = convert(&settings, std::slice::from_ref(&rules), None) {
            prop_assert_eq!(config.instruments[0].instrument.defect(), None);
            let again = convert(&settings, &[rules], Some(&config)).unwrap();
            prop_assert_eq!(again, config);
        }
    }
}
