//! Orders of a person or of the daemon itself, as named fields: what, over what, by whom.

use crate::fields::Fields;
use model::Decision;
use model::control::{Author, Control, ControlScope, LatchOrder};

/// The fields of a control input.
pub(crate) fn control<'k>(fields: Fields<'k>, control: &Control) -> Fields<'k> {
    match control {
        Control::StopIntake => fields.put("control", "stop_intake"),
        Control::CancelAll => fields.put("control", "cancel_all"),
        Control::SetLatch(order) => latch_order(fields.put("control", "set_latch"), order),
    }
}

fn latch_order<'k>(fields: Fields<'k>, order: &LatchOrder) -> Fields<'k> {
    let LatchOrder {
        latch,
        scope: over,
        close,
        author,
    } = order;
    let Author {
        origin,
        uid,
        ordered_at,
        reason,
    } = author;
    scope(fields.text("latch", latch), *over)
        .put("close", *close)
        .text("origin", origin)
        .put("uid", *uid)
        .moment("ordered_at", *ordered_at)
        .text("reason", reason)
}

/// The fields of a latch that was closed or opened.
pub(crate) fn latch_set<'k>(fields: Fields<'k>, decision: &Decision) -> Fields<'k> {
    match decision {
        Decision::LatchSet {
            latch,
            scope: over,
            closed,
        } => scope(fields.text("latch", latch), *over).put("closed", *closed),
        _ => fields,
    }
}

/// What a latch is over: the kind of scope, and what it names.
pub(crate) fn scope(fields: Fields<'_>, scope: ControlScope) -> Fields<'_> {
    match scope {
        ControlScope::All => fields.put("scope", "all"),
        ControlScope::Venue(venue) => fields.put("scope", "venue").venue(venue),
        ControlScope::Instrument(instrument) => {
            fields.put("scope", "instrument").instrument(instrument)
        }
        ControlScope::Strategy(strategy) => fields.put("scope", "strategy").strategy(strategy),
    }
}
