//! Where log lines go: standard error, as text or JSON lines, through the sink that masks them.

use crate::config::{LogLevel, Settings};
use crate::log_sink::LogSink;
use crate::secrets::Credentials;
use tracing::level_filters::LevelFilter;

/// Starts logging for this process.
pub(super) fn begin(settings: &Settings, is_json: bool) {
    let level = match settings.log.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let builder = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(sink(settings))
        .with_target(false)
        .with_ansi(false);
    // A second start in one process keeps the first one's choice.
    let _ = if is_json {
        builder.json().try_init()
    } else {
        builder.try_init()
    };
}

/// Knows the secrets of every venue. A key file that cannot be read has none to tell; the start
/// refuses it by itself.
fn sink(settings: &Settings) -> LogSink {
    let read = settings.venues.iter().map(Credentials::of);
    let keys: Vec<Credentials> = read.filter_map(Result::ok).collect();
    let secrets = keys.iter().flat_map(|key| {
        [
            key.api_key.expose(),
            key.api_secret.expose(),
            key.passphrase.expose(),
        ]
    });
    LogSink::new(secrets)
}
