//! All open orders, recent fills, positions and balances of a venue.
//!
//! Open orders are read first and told last: the fills that they count are then in the list of
//! fills
//! that was read after them. Invariant: a sweep that failed anywhere tells no order. Must not know:
//! order status. Threads: none.

use std::ops::ControlFlow;
use std::time::Instant;

use model::execution_report::OrderUpdate;
use model::recon_fact::{FactSource, OrderSeen};
use model::time::NS_PER_S;
use model::{ReconFact, UnixNs, VenueId};
use protocol::venue::okx::instrument_table::InstrumentTable;
use protocol::venue::okx::rest::ListFilter;

use super::asker::Asker;
use super::paging::{List, read_list};
use super::query_error::QueryError;
use super::query_note::NoteKind;
use super::statements::{read_balances, read_positions};

/// Bookings may come a little after their match, and the clocks are not exact.
const FILLS_MARGIN_NS: u64 = 2 * NS_PER_S;

/// The sweep that is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sweep {
    pub(super) sweep_no: u32,
    pub(super) asked_at_seq: u64,
    pub(super) fills_since: UnixNs,
}

/// Tells every fill, then every open order, then what the account holds.
pub(super) fn sweep(
    asker: &mut Asker,
    venue: VenueId,
    table: &InstrumentTable,
    sweep: &Sweep,
) -> Result<(), QueryError> {
    let began = Instant::now();
    let mut open: Vec<OrderUpdate> = Vec::new();
    let orders = read_list(
        asker,
        &List::pending(ListFilter::default()),
        |answers, status, body| answers.orders(status, body, table),
        |_, rows| {
            open.extend(rows);
            ControlFlow::Continue(())
        },
    )?;
    let since = asker.offset().venue_time(sweep.fills_since);
    let begin_ms = UnixNs(since.0.saturating_sub(FILLS_MARGIN_NS)).as_ms();
    let recent = ListFilter {
        begin_ms: (sweep.fills_since > UnixNs(0)).then_some(begin_ms),
        ..ListFilter::default()
    };
    let mut fill_count = 0;
    let fills = read_list(
        asker,
        &List::fills(recent),
        |answers, status, body| answers.fills(status, body, table, sweep.asked_at_seq),
        |asker, rows| {
            fill_count += rows.len();
            asker
                .sink()
                .facts(rows.into_iter().map(ReconFact::FillSeen));
            ControlFlow::Continue(())
        },
    )?;
    let open_orders = open.len();
    let seen = open.into_iter().map(|update| {
        ReconFact::OrderSeen(OrderSeen {
            asked_at_seq: sweep.asked_at_seq,
            source: FactSource::OpenOrders,
            update,
        })
    });
    asker.sink().facts(seen);
    tell_statements(asker, venue, table, sweep);
    asker.sink().note(NoteKind::SweepRead {
        sweep_no: sweep.sweep_no,
        open_orders,
        fills: fill_count,
        pages: orders.pages.saturating_add(fills.pages),
        elapsed: began.elapsed(),
    });
    Ok(())
}

/// What cannot be read is noted and left out: the orders are known without it.
fn tell_statements(asker: &mut Asker, venue: VenueId, table: &InstrumentTable, sweep: &Sweep) {
    for read in [
        read_positions(asker, table, sweep.asked_at_seq),
        read_balances(asker, venue, sweep.asked_at_seq),
    ] {
        match read {
            Ok(facts) => asker.sink().facts(facts),
            Err(QueryError::Stopping) => {}
            Err(error) => {
                let sweep_no = sweep.sweep_no;
                asker
                    .sink()
                    .note(NoteKind::StatementsUnread { sweep_no, error });
            }
        }
    }
}
