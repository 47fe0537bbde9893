//! From checked values to `Settings`: section by section, then what must hold between them.
//!
//! Invariants: every section's keys are read whatever else is wrong, so all errors show at once.
//! Must not know: TOML. Threads: none.

use super::document::{Document, FoundSection};
use super::environment_check::{self, VenuePlaces};
use super::keys::{SECTIONS, SectionSpec, Shape};
use super::problem::{ConfigErrors, Place, Problem};
use super::read_values::SectionValues;
use super::{
    AttachSettings, DataSettings, DatabaseSettings, EngineSettings, Environment, HotSettings, Idle,
    InstrumentSettings, JournalMode, JournalSettings, KillSettings, LogLevel, LogSettings, OnLoss,
    OrderLogSettings, Settings, ShadowSettings, StrategySettings, TradeMode, UrlParts, VenueKind,
    VenueSettings,
};
use std::collections::BTreeMap;
use std::path::Path;

/// Longest path of a Unix socket (`sun_path` without its final zero).
const SOCKET_PATH_BYTES_MAX: usize = 107;
/// Longest venue name: what the journal holds.
const VENUE_NAME_BYTES_MAX: usize = 15;

/// All sections by name, each with its values in the order of the file.
struct Sections(BTreeMap<&'static str, Vec<SectionValues>>);

impl Sections {
    fn all(&self, name: &str) -> &[SectionValues] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    fn one(&self, name: &str) -> &SectionValues {
        self.all(name)
            .first()
            .expect("a section that is written once is read even when it is absent")
    }
}

/// Reads every section of a document.
pub(super) fn read(
    document: &Document,
    mut errors: ConfigErrors,
) -> Result<Settings, ConfigErrors> {
    let base = document.path.parent().unwrap_or(Path::new(""));
    let mut effective = Vec::new();
    let sections = read_all(document, &mut effective, &mut errors);
    let venues = venues(&sections, base, &mut errors);
    let data = DataSettings {
        directory: path(&sections, "data", "directory", base),
    };
    let settings = Settings {
        file: document.path.clone(),
        engine: engine(sections.one("engine")),
        attach: attach(sections.one("attach"), base, &data, &mut errors),
        database: database(sections.one("database"), base, &data),
        order_log: order_log(sections.one("order_log"), base, &data),
        data,
        kill: kill(sections.one("kill")),
        journal: journal(sections.one("journal")),
        shadow: shadow(sections.one("shadow")),
        hot: hot(sections.one("hot")),
        instruments: instruments(&sections, &mut errors),
        strategies: strategies(&sections, &mut errors),
        venues,
        log: log(sections.one("log")),
        effective,
    };
    errors.into_result(settings)
}

fn read_all(
    document: &Document,
    effective: &mut Vec<super::EffectiveKey>,
    errors: &mut ConfigErrors,
) -> Sections {
    let first_line = Place::File {
        path: document.path.clone(),
        line: 1,
    };
    let mut sections = Sections(BTreeMap::new());
    let risk = SECTIONS.iter().filter(|spec| spec.name == "risk");
    let others = SECTIONS.iter().filter(|spec| spec.name != "risk");
    // Limits fall back to [risk], so it is read first.
    for spec in risk.chain(others) {
        let written = document
            .sections
            .iter()
            .filter(|found| found.spec.name == spec.name);
        let mut found: Vec<FoundSection> = written.cloned().collect();
        check_count(spec, &found, &first_line, errors);
        if found.is_empty() && spec.shape == Shape::Single {
            found.push(FoundSection {
                spec,
                label: String::new(),
                place: first_line.clone(),
                written: BTreeMap::new(),
            });
        }
        let risk = sections.all("risk").first().cloned();
        let values = found
            .iter()
            .map(|found| SectionValues::read(found, risk.as_ref(), effective, errors))
            .collect();
        sections.0.insert(spec.name, values);
    }
    sections
}

fn check_count(
    spec: &SectionSpec,
    found: &[FoundSection],
    first_line: &Place,
    errors: &mut ConfigErrors,
) {
    if let Some(first_over) = found.get(spec.max_count) {
        let (count, max) = (found.len(), spec.max_count);
        errors.add(
            &first_over.place,
            spec.name,
            Problem::TooMany { found: count, max },
        );
    }
    let example = match spec.name {
        "venue" => "[venue.okx]",
        "instrument" => "[[instrument]]",
        _ => return,
    };
    if found.is_empty() {
        let example = example.to_owned();
        errors.add(first_line, spec.name, Problem::Missing { example });
    }
}

fn path(sections: &Sections, section: &str, key: &str, base: &Path) -> std::path::PathBuf {
    sections
        .one(section)
        .optional_path(key, base)
        .unwrap_or_default()
}

fn engine(values: &SectionValues) -> EngineSettings {
    EngineSettings {
        instance_tag: u8::try_from(values.integer("instance_tag")).unwrap_or(0),
        order_capacity: values.integer_u32("order_capacity"),
        execution_capacity: values.integer_u32("execution_capacity"),
        answer_window: values.integer_u32("answer_window"),
        terminal_keep_s: values.integer("terminal_keep_s"),
        max_request_age_ms: values.integer("max_request_age_ms"),
    }
}

fn journal(values: &SectionValues) -> JournalSettings {
    JournalSettings {
        // A word that is not allowed has its error already.
        mode: JournalMode::parse(values.text("mode")).unwrap_or(JournalMode::Group),
        segment_mib: values.integer_u32("segment_mib"),
        max_loss_window_ms: values.integer("max_loss_window_ms"),
        cancel_on_journal_failure: values.flag("cancel_on_journal_failure"),
        allow_tmpfs: values.flag("allow_tmpfs"),
    }
}

fn shadow(values: &SectionValues) -> ShadowSettings {
    ShadowSettings {
        is_enabled: values.flag("enabled"),
        snapshot_every_entries: values.integer("snapshot_every_entries"),
        snapshots_kept: usize::try_from(values.integer("snapshots_kept")).unwrap_or(1),
    }
}

fn hot(values: &SectionValues) -> HotSettings {
    HotSettings {
        idle: match values.text("idle") {
            "spin" => Idle::Spin,
            "yield" => Idle::Yield,
            _ => Idle::Park,
        },
        cpu: values
            .optional_integer("cpu")
            .and_then(|cpu| usize::try_from(cpu).ok()),
        lock_memory: values.flag("lock_memory"),
        requests_per_turn: values.integer_u32("requests_per_turn"),
    }
}

fn attach(
    values: &SectionValues,
    base: &Path,
    data: &DataSettings,
    errors: &mut ConfigErrors,
) -> AttachSettings {
    let socket = values
        .optional_path("socket", base)
        .unwrap_or_else(|| data.directory.join("attach.sock"));
    let found = socket.as_os_str().len();
    if found > SOCKET_PATH_BYTES_MAX {
        let why = format!(
            "the socket's path has {found} bytes; at most {SOCKET_PATH_BYTES_MAX}; set it to a \
             shorter path"
        );
        let key = values.key_path("socket");
        errors.add(values.place_of("socket"), key, Problem::BadPath(why));
    }
    AttachSettings {
        socket,
        request_capacity: values.integer("request_capacity"),
        event_capacity: values.integer("event_capacity"),
    }
}

fn kill(values: &SectionValues) -> KillSettings {
    KillSettings {
        on_start: values.flag("on_start"),
        cancel_timeout_ms: values.integer("cancel_timeout_ms"),
    }
}

fn database(values: &SectionValues, base: &Path, data: &DataSettings) -> DatabaseSettings {
    let path = values.optional_path("path", base);
    DatabaseSettings {
        is_enabled: values.flag("enabled"),
        path: path.unwrap_or_else(|| data.directory.join("millrun.db")),
        batch_entries: values.integer_u32("batch_entries"),
    }
}

fn order_log(values: &SectionValues, base: &Path, data: &DataSettings) -> OrderLogSettings {
    let path = values.optional_path("path", base);
    OrderLogSettings {
        is_enabled: values.flag("enabled"),
        path: path.unwrap_or_else(|| data.directory.join("orders.jsonl")),
        file_mib: values.integer_u32("file_mib"),
        files_kept: values.integer_u32("files_kept"),
    }
}

fn log(values: &SectionValues) -> LogSettings {
    LogSettings {
        level: match values.text("level") {
            "error" => LogLevel::Error,
            "warn" => LogLevel::Warn,
            "debug" => LogLevel::Debug,
            _ => LogLevel::Info,
        },
        is_json: values.text("format") == "json",
    }
}

/// Notes a label that is taken already; `keep` says whether the entry can be used at all.
fn note_unless_unique(
    taken: &mut BTreeMap<String, Place>,
    name: String,
    (key, place): (String, &Place),
    errors: &mut ConfigErrors,
) {
    match taken.get(&name) {
        Some(first) => {
            let first = first.clone();
            errors.add(place, key, Problem::NotUnique { name, first });
        }
        None => {
            taken.insert(name, place.clone());
        }
    }
}

fn venues(sections: &Sections, base: &Path, errors: &mut ConfigErrors) -> Vec<VenueSettings> {
    let mut venues = Vec::new();
    for values in sections.all("venue") {
        let name = &values.label;
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let begins_right = name
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_lowercase());
        let fits = name.len() <= VENUE_NAME_BYTES_MAX && name.bytes().all(allowed);
        if !begins_right || !fits || name.contains("__") {
            let problem = Problem::BadName {
                found: name.clone(),
                max_bytes: VENUE_NAME_BYTES_MAX,
                alphabet: "small letters, digits and single `_`, a letter first",
            };
            errors.add(&values.place, values.path.clone(), problem);
        }
        venues.extend(venue(values, base, errors));
    }
    venues
}

fn venue(values: &SectionValues, base: &Path, errors: &mut ConfigErrors) -> Option<VenueSettings> {
    let mut url = |key: &str, scheme| {
        let text = values.optional_text(key)?;
        UrlParts::parse(text, scheme)
            .map_err(|problem| errors.add(values.place_of(key), values.key_path(key), problem))
            .ok()
    };
    let (rest_url, ws_url) = (url("rest_url", "https"), url("ws_url", "wss"));
    let environment = match values.optional_text("environment")? {
        "production" => Environment::Production,
        "demo" => Environment::Demo,
        _ => Environment::Simulator,
    };
    let venue = VenueSettings {
        name: values.label.clone(),
        place: values.place.clone(),
        kind: VenueKind::Okx,
        environment,
        rest_url: rest_url?,
        ws_url: ws_url?,
        ca_file: values.optional_path("ca_file", base),
        credentials_file: values
            .optional_path("credentials_file", base)
            .unwrap_or_default(),
        is_dry_run: values.flag("dry_run"),
        command_window_ms: values.integer("command_window_ms"),
        settle_ms: values.integer("settle_ms"),
        command_timeout_ms: values.integer("command_timeout_ms"),
        sweep_interval_s: values.integer("sweep_interval_s"),
        ask_interval_ms: values.integer("ask_interval_ms"),
        ask_attempts: u16::try_from(values.integer("ask_attempts")).unwrap_or(0),
        recon: values.flag("recon"),
        recon_lookback_s: values.integer("recon_lookback_s"),
        heartbeat_ms: values.integer("heartbeat_ms"),
        connect_timeout_ms: values.integer("connect_timeout_ms"),
        reconnect_base_ms: values.integer("reconnect_base_ms"),
        reconnect_cap_ms: values.integer("reconnect_cap_ms"),
        reconnects_per_minute: values.integer_u32("reconnects_per_minute"),
    };
    let places = VenuePlaces {
        rest_url: values.place_of("rest_url"),
        ws_url: values.place_of("ws_url"),
        ca_file: values.place_of("ca_file"),
        settle_ms: values.place_of("settle_ms"),
        reconnect_cap_ms: values.place_of("reconnect_cap_ms"),
    };
    environment_check::check(&venue, &places, errors);
    Some(venue)
}

fn instruments(sections: &Sections, errors: &mut ConfigErrors) -> Vec<InstrumentSettings> {
    let known: Vec<&str> = sections
        .all("venue")
        .iter()
        .map(|venue| venue.label.as_str())
        .collect();
    let mut taken = BTreeMap::new();
    let mut instruments = Vec::new();
    for values in sections.all("instrument") {
        let (venue, symbol) = (values.text("venue"), values.text("symbol"));
        if !venue.is_empty() && !known.contains(&venue) {
            let problem = Problem::UnknownVenue {
                found: venue.to_owned(),
                known: if known.is_empty() {
                    "none".to_owned()
                } else {
                    known.join(", ")
                },
            };
            errors.add(values.place_of("venue"), values.key_path("venue"), problem);
        }
        if !symbol.is_empty() {
            let at = (values.key_path("symbol"), values.place_of("symbol"));
            note_unless_unique(&mut taken, format!("{venue}/{symbol}"), at, errors);
        }
        instruments.push(InstrumentSettings {
            venue: venue.to_owned(),
            symbol: symbol.to_owned(),
            place: values.place.clone(),
            trade_mode: match values.text("trade_mode") {
                "cash" => TradeMode::Cash,
                "isolated" => TradeMode::Isolated,
                _ => TradeMode::Cross,
            },
            max_order_qty: values.limit("max_order_qty"),
            max_order_notional: values.limit("max_order_notional"),
            max_open_orders: values.integer_u32("max_open_orders"),
            max_long: values.limit("max_long"),
            max_short: values.limit("max_short"),
            halt_on_recon_break: values.flag("halt_on_recon_break"),
        });
    }
    instruments
}

fn strategies(sections: &Sections, errors: &mut ConfigErrors) -> Vec<StrategySettings> {
    let own_uid = rustix::process::geteuid().as_raw();
    let mut taken = BTreeMap::new();
    let mut strategies = Vec::new();
    for values in sections.all("strategy") {
        let name = values.text("name");
        if !name.is_empty() {
            let at = (values.key_path("name"), values.place_of("name"));
            note_unless_unique(&mut taken, name.to_owned(), at, errors);
        }
        strategies.push(StrategySettings {
            name: name.to_owned(),
            place: values.place.clone(),
            uid: values
                .optional_integer("uid")
                .and_then(|uid| u32::try_from(uid).ok())
                .unwrap_or(own_uid),
            max_open_orders: values.integer_u32("max_open_orders"),
            max_orders_per_s: values.integer_u32("max_orders_per_s"),
            on_loss: match values.text("on_loss") {
                "keep" => OnLoss::Keep,
                _ => OnLoss::CancelAll,
            },
        });
    }
    strategies
}
