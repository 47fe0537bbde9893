//! Decisions <-> canonical bytes. The tags never change meaning; a new variant takes a new tag.

use super::*;
use crate::order_change::ChangeBody;

/// Writes tagged enums with named fields: one line per variant instead of two hand-kept matches.
macro_rules! tagged_bytes {
    ($name:ident {
        $($tag:literal => $variant:ident $({ $($field:ident),* })? $(( $inner:ident ))?,)*
    }) => {
        impl CanonicalBytes for $name {
            fn put(&self, sink: &mut impl ByteSink) {
                match self {
                    $(Self::$variant $({ $($field),* })? $(($inner))? => {
                        sink.put(&[$tag]);
                        $($($field.put(sink);)*)?
                        $($inner.put(sink);)?
                    })*
                }
            }

            fn take(source: &mut ByteSource<'_>) -> Result<Self, BytesError> {
                match u8::take(source)? {
                    $($tag => {
                        $($(let $field = CanonicalBytes::take(source)?;)*)?
                        $(let $inner = CanonicalBytes::take(source)?;)?
                        Ok(Self::$variant $({ $($field),* })? $(($inner))?)
                    })*
                    other => Err(BytesError::Invalid {
                        what: stringify!($name),
                        found: u64::from(other),
                    }),
                }
            }
        }
    };
}

tagged_bytes!(ChangeBody {
    1 => Created { order, created_at },
    2 => Adopted { venue_order_id, created_at },
    3 => CommandStarted(intent),
    4 => Acknowledged { venue_order_id, venue_time },
    5 => Linked { venue_order_id },
    6 => CommandAccepted { command_seq },
    7 => CommandEnded { command, command_seq, outcome, venue_code, message },
    8 => CommandUnknown { command_seq, cause },
    9 => NeedsOperator { command_seq },
    10 => Executed { fill, late, overfill },
    11 => FillsMissing { venue_cum_quantity },
    12 => Replaced { command_seq, venue_time },
    13 => EndHeld { status, end_code },
    14 => Ended { end_code, venue_time },
    15 => Asked { ask_no, venue_order_id },
    16 => AbsenceNoted { source },
    17 => AskSettled,
    18 => Stated { request_id },
    19 => AskedInVain,
    20 => Unseen,
    21 => AskFailed,
});

tagged_bytes!(WideTask {
    1 => MarkUnknown { venue, cause },
    2 => AskUnseen { venue, sweep_no, asked_at_seq },
    3 => CancelAll { strategy, instrument },
    4 => KillCancel { scope, round, since, due_at },
});

tagged_bytes!(Decision {
    1 => Order(change),
    2 => Refused(refused),
    3 => CancelAllAccepted { strategy, event_seq, request_id },
    4 => Venue { venue, state },
    5 => SweepStarted { venue, sweep_no },
    6 => SweepEnded { venue, sweep_no, complete },
    7 => Strategy { strategy, generation, attached, next_event_seq },
    8 => Alarm { code, client_order_id },
    9 => Ignored(reason),
    10 => Evicted { client_order_id },
    11 => Intake { open },
    12 => RunRefused { strategy, event_seq, first, count, reason },
    13 => TaskStarted { task },
    14 => TaskMoved { next_slot, due_at, passed_over },
    15 => TaskDone,
    16 => LatchSet { latch, scope, closed },
    17 => Position { instrument, step, stated_units, expected_units, as_of },
    18 => Foreign(foreign),
});

impl CanonicalBytes for OrderChange {
    fn put(&self, sink: &mut impl ByteSink) {
        self.strategy.put(sink);
        self.event_seq.put(sink);
        self.client_order_id.put(sink);
        self.request_id.put(sink);
        self.instrument.put(sink);
        self.side.put(sink);
        self.status.put(sink);
        self.unknown.put(sink);
        self.order_quantity.put(sink);
        self.limit_price.put(sink);
        self.cum_quantity.put(sink);
        self.body.put(sink);
    }

    fn take(source: &mut ByteSource<'_>) -> Result<Self, BytesError> {
        Ok(Self {
            strategy: CanonicalBytes::take(source)?,
            event_seq: CanonicalBytes::take(source)?,
            client_order_id: CanonicalBytes::take(source)?,
            request_id: CanonicalBytes::take(source)?,
            instrument: CanonicalBytes::take(source)?,
            side: CanonicalBytes::take(source)?,
            status: CanonicalBytes::take(source)?,
            unknown: CanonicalBytes::take(source)?,
            order_quantity: CanonicalBytes::take(source)?,
            limit_price: CanonicalBytes::take(source)?,
            cum_quantity: CanonicalBytes::take(source)?,
            body: CanonicalBytes::take(source)?,
        })
    }
}
