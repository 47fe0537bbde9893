//! What an operator should know of positions that were compared with the venue's: both numbers, in
//! the instrument's own decimals. Must not know: how they are compared. Threads: the caller's.

use model::decimal_text::DecimalText;
use model::decision::PositionStep;
use model::{Decision, Instrument};

/// Says what a comparison came to.
pub(crate) fn log_position(decision: &Decision, instruments: &[Instrument]) {
    let Decision::Position {
        instrument,
        step,
        stated_units,
        expected_units,
        ..
    } = decision
    else {
        return;
    };
    let at = usize::try_from(instrument.0).unwrap_or(usize::MAX);
    let Some(known) = instruments.get(at) else {
        return;
    };
    let symbol = known.symbol.as_str();
    let (venue, ours) = (
        position_text(known, *stated_units),
        position_text(known, *expected_units),
    );
    match step {
        PositionStep::Broke => tracing::error!(
            instrument = symbol,
            venue,
            ours,
            "RECON_BREAK: the venue's position is not ours, and a second look says the same: look \
             it up at the venue, and trade the difference away there if it is not wanted"
        ),
        PositionStep::Agrees => tracing::info!(
            instrument = symbol,
            venue,
            ours,
            "the venue's position and ours agree again"
        ),
        PositionStep::Accepted => tracing::warn!(
            instrument = symbol,
            venue,
            "an operator accepted the venue's position"
        ),
        PositionStep::Baseline => {
            tracing::info!(instrument = symbol, venue, "position at first sight");
        }
        PositionStep::Asked => {
            tracing::debug!(instrument = symbol, venue, ours, "asking about a position");
        }
    }
}

/// Units as the instrument writes them.
pub(crate) fn position_text(instrument: &Instrument, units: i128) -> String {
    match i64::try_from(units) {
        Ok(units) => DecimalText::new(units, instrument.quantity_scale).to_string(),
        Err(_) => format!("{units}e-{}", instrument.quantity_scale),
    }
}
