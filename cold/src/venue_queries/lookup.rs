//! What became of one order: by id, then the open orders, then the history, then the fills.
//!
//! Invariants: fills are told before the order that counts them; an absence is claimed only when
//! every list was read whole and none shows the order; its moment is when the first of the list's
//! requests left, by the venue's clock at its earliest. Open orders are read before the history, so
//! an order that ends in between is in one of them. Must not know: order status. Threads: none.

use std::ops::ControlFlow;

use model::execution_report::OrderUpdate;
use model::instrument::InstrumentKind;
use model::recon_fact::{FactSource, FillSeen, OrderAbsent, OrderSeen};
use model::time::NS_PER_S;
use model::{ClientOrderId, InstrumentId, ReconFact, UnixNs, VenueOrderId};
use protocol::venue::okx::instrument_table::{InstrumentTable, OkxInstrument, TradeMode};
use protocol::venue::okx::order_terms::OrderRef;
use protocol::venue::okx::rest::{ListFilter, RestCall};

use super::asker::Asker;
use super::paging::{List, read_list};
use super::query_error::QueryError;
use super::time_offset::TimeOffset;

/// The clocks may have jumped since the order was placed; its history is read from this long
/// before.
const PLACED_MARGIN_NS: u64 = 60 * NS_PER_S;
/// How long ended orders with fills are in `orders-history` (okx.com/docs-v5, "Get order history
/// (last 7 days)"), less an hour.
const HISTORY_KEPT_NS: u64 = (7 * 24 - 1) * 3_600 * NS_PER_S;

/// The order that is asked about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lookup {
    pub(super) client_order_id: ClientOrderId,
    pub(super) venue_order_id: VenueOrderId,
    pub(super) instrument: InstrumentId,
    pub(super) asked_at_seq: u64,
}

impl Lookup {
    fn is_of(&self, client: Option<ClientOrderId>, venue: &VenueOrderId) -> bool {
        let by_venue = !self.venue_order_id.is_empty() && *venue == self.venue_order_id;
        client == Some(self.client_order_id) || (client.is_none() && by_venue)
    }
}

/// Where the order was found.
struct Found {
    source: FactSource,
    update: OrderUpdate,
}

/// When each list that lacks the order was asked for; our UTC.
#[derive(Default)]
struct Absences {
    lists: Vec<(FactSource, UnixNs)>,
}

/// Answers one look-up into `facts`, which are true even when the look-up fails.
pub(super) fn look_up(
    asker: &mut Asker,
    table: &InstrumentTable,
    lookup: &Lookup,
    facts: &mut Vec<ReconFact>,
) -> Result<(), QueryError> {
    let known = table.by_id(lookup.instrument).copied();
    let instrument = known.ok_or(QueryError::UnknownInstrument {
        found: lookup.instrument,
    })?;
    let mut absences = Absences::default();
    let found = find_order(asker, table, lookup, &instrument, &mut absences)?;
    if let Some(Found { source, update }) = found {
        if update.cum_quantity.units() != 0 {
            let by_id = ListFilter {
                ord_id: Some(update.venue_order_id.as_str()),
                ..of_instrument(&instrument)
            };
            collect_fills(asker, table, lookup, by_id, facts)?;
        }
        facts.push(ReconFact::OrderSeen(OrderSeen {
            asked_at_seq: lookup.asked_at_seq,
            source,
            update,
        }));
        return Ok(());
    }
    let begin_ms = history_begin_ms(asker, lookup)?;
    let filter = if lookup.venue_order_id.is_empty() {
        ListFilter {
            begin_ms: Some(begin_ms),
            ..of_instrument(&instrument)
        }
    } else {
        ListFilter {
            ord_id: Some(lookup.venue_order_id.as_str()),
            ..of_instrument(&instrument)
        }
    };
    // A fill of an order that no list shows proves that it arrived: nothing is claimed then.
    if collect_fills(asker, table, lookup, filter, facts)? == 0 {
        let offset = asker.offset();
        facts.extend(absences.facts(lookup, offset));
    }
    Ok(())
}

impl Absences {
    fn facts(self, lookup: &Lookup, offset: TimeOffset) -> impl Iterator<Item = ReconFact> {
        let Lookup {
            client_order_id,
            asked_at_seq,
            ..
        } = *lookup;
        self.lists.into_iter().map(move |(source, left_at)| {
            ReconFact::OrderAbsent(OrderAbsent {
                asked_at_seq,
                answered_at: offset.earliest_venue_time(left_at),
                client_order_id,
                source,
            })
        })
    }
}

fn find_order(
    asker: &mut Asker,
    table: &InstrumentTable,
    lookup: &Lookup,
    instrument: &OkxInstrument,
    absences: &mut Absences,
) -> Result<Option<Found>, QueryError> {
    let (by_id, left_at) = order_by_id(asker, table, lookup, instrument)?;
    if let Some(update) = by_id {
        let source = FactSource::OrderById;
        return Ok(Some(Found { source, update }));
    }
    absences.lists.push((FactSource::OrderById, left_at));
    let open = List::pending(of_instrument(instrument));
    let (found, left_at) = order_in_list(asker, table, lookup, &open)?;
    if let Some(update) = found {
        let source = FactSource::OpenOrders;
        return Ok(Some(Found { source, update }));
    }
    absences.lists.push((FactSource::OpenOrders, left_at));
    let begin_ms = history_begin_ms(asker, lookup)?;
    let mut earliest = None;
    for inst_type in inst_types(instrument) {
        let ended = List::history(ListFilter {
            inst_type: Some(inst_type),
            begin_ms: Some(begin_ms),
            ..of_instrument(instrument)
        });
        let (found, left_at) = order_in_list(asker, table, lookup, &ended)?;
        if let Some(update) = found {
            let source = FactSource::History;
            return Ok(Some(Found { source, update }));
        }
        earliest.get_or_insert(left_at);
    }
    absences
        .lists
        .extend(earliest.map(|left_at| (FactSource::History, left_at)));
    Ok(None)
}

/// okx.com/docs-v5, "Get order details". By our id the venue shows the latest order that had it, so
/// its own id is used when we know it.
fn order_by_id(
    asker: &mut Asker,
    table: &InstrumentTable,
    lookup: &Lookup,
    instrument: &OkxInstrument,
) -> Result<(Option<OrderUpdate>, UnixNs), QueryError> {
    let ours = lookup.client_order_id.to_string();
    let call = RestCall::Order {
        inst_id: instrument.instrument.symbol.as_str(),
        order: match lookup.venue_order_id.is_empty() {
            true => OrderRef::ClientOrderId(&ours),
            false => OrderRef::VenueOrderId(lookup.venue_order_id.as_str()),
        },
    };
    let answered = asker.ask(&call, |answers, status, body| {
        answers.order(status, body, table)
    })?;
    if let Some(update) = &answered.value {
        let is_ours = lookup.is_of(update.client_order_id, &update.venue_order_id);
        if !is_ours || update.instrument != lookup.instrument {
            let found = update.client_order_id.map(|id| id.to_string());
            return Err(QueryError::OtherOrder {
                path: "/api/v5/trade/order",
                expected: ours,
                found: found.unwrap_or_else(|| update.venue_order_id.to_string()),
            });
        }
    }
    Ok((answered.value, answered.left_at))
}

fn order_in_list(
    asker: &mut Asker,
    table: &InstrumentTable,
    lookup: &Lookup,
    list: &List<'_>,
) -> Result<(Option<OrderUpdate>, UnixNs), QueryError> {
    let mut found = None;
    let read = read_list(
        asker,
        list,
        |answers, status, body| answers.orders(status, body, table),
        |_, rows| {
            found = rows
                .into_iter()
                .find(|row| lookup.is_of(row.client_order_id, &row.venue_order_id));
            match found {
                Some(_) => ControlFlow::Break(()),
                None => ControlFlow::Continue(()),
            }
        },
    )?;
    Ok((found, read.first_left_at))
}

/// Reads a list of fills and keeps those of the order. Returns how many.
fn collect_fills(
    asker: &mut Asker,
    table: &InstrumentTable,
    lookup: &Lookup,
    filter: ListFilter<'_>,
    facts: &mut Vec<ReconFact>,
) -> Result<usize, QueryError> {
    let known = facts.len();
    let by_id = filter
        .ord_id
        .and_then(|id| VenueOrderId::new(id.as_bytes()));
    let is_wanted = |fill: &FillSeen| {
        let ours = lookup.is_of(fill.client_order_id, &fill.venue_order_id);
        ours || by_id == Some(fill.venue_order_id)
    };
    read_list(
        asker,
        &List::fills(filter),
        |answers, status, body| answers.fills(status, body, table, lookup.asked_at_seq),
        |_, rows| {
            let wanted = rows.into_iter().filter(is_wanted);
            facts.extend(wanted.map(ReconFact::FillSeen));
            ControlFlow::Continue(())
        },
    )?;
    Ok(facts.len() - known)
}

/// From when on the lists must be read, in the venue's milliseconds.
fn history_begin_ms(asker: &Asker, lookup: &Lookup) -> Result<u64, QueryError> {
    let offset = asker.offset();
    if offset == TimeOffset::UNMEASURED {
        return Err(QueryError::NoVenueTime);
    }
    let placed_after = asker.queue().placed_after(lookup.client_order_id);
    if asker.now().since_ns(placed_after) > HISTORY_KEPT_NS {
        return Err(QueryError::TooOld {
            client_order_id: lookup.client_order_id,
        });
    }
    let begin = offset.earliest_venue_time(placed_after).0;
    Ok(UnixNs(begin.saturating_sub(PLACED_MARGIN_NS)).as_ms())
}

fn of_instrument(instrument: &OkxInstrument) -> ListFilter<'_> {
    ListFilter {
        inst_id: Some(instrument.instrument.symbol.as_str()),
        ..ListFilter::default()
    }
}

/// `instType`s that the instrument's orders can have: spot that is traded on margin is `MARGIN`.
fn inst_types(instrument: &OkxInstrument) -> &'static [&'static str] {
    let is_swap = instrument.instrument.symbol.as_bytes().ends_with(b"-SWAP");
    match (instrument.instrument.kind, instrument.trade_mode) {
        (InstrumentKind::Spot, TradeMode::Cash) => &["SPOT"],
        (InstrumentKind::Spot, _) => &["SPOT", "MARGIN"],
        _ if is_swap => &["SWAP"],
        _ => &["FUTURES"],
    }
}
