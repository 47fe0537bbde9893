//! Where log lines go: standard error, as text or JSON lines. Control characters are escaped.

use crate::config::{LogLevel, LogSettings};
use tracing::level_filters::LevelFilter;

/// Starts logging for this process.
pub(super) fn begin(settings: &LogSettings) {
    let level = match settings.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let builder = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(false);
    // A second start in one process keeps the first one's choice.
    let _ = if settings.is_json {
        builder.json().try_init()
    } else {
        builder.try_init()
    };
}
