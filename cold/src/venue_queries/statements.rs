//! What the account holds: positions and balances, read whole, one fact per instrument and
//! currency.
//!
//! Read after fills and told after them, so executions that a position counts are known before it.
//! Invariants: an instrument that a whole list lacks is flat; a list with a hole states nothing.
//! Must not know: what we expect. Threads: none.

use std::collections::BTreeMap;

use model::instrument::InstrumentKind;
use model::recon_fact::{BalanceSeen, PositionSeen};
use model::{InstrumentId, PositionCells, PositionStated, ReconFact, UnixNs, VenueId};
use protocol::venue::okx::instrument_table::InstrumentTable;
use protocol::venue::okx::rest::RestCall;
use protocol::venue::okx::rest::answer::RestAnswers;

use super::asker::Asker;
use super::paging::hole_of;
use super::query_error::QueryError;

const POSITIONS_PATH: &str = "/api/v5/account/positions";

/// Every position of a configured instrument that has positions, flat ones included.
pub(super) fn read_positions(
    asker: &mut Asker,
    table: &InstrumentTable,
    asked_at_seq: u64,
) -> Result<Vec<ReconFact>, QueryError> {
    let call = RestCall::Positions {
        inst_type: None,
        inst_id: None,
    };
    let answered = asker.ask(&call, |answers, status, body| {
        answers.positions(status, body, table)
    })?;
    let page = answered.value;
    if let Some(hole) = hole_of(&page, POSITIONS_PATH) {
        return Err(hole);
    }
    let as_of = asker.offset().venue_time(answered.left_at);
    Ok(position_facts(table, &page.rows, asked_at_seq, as_of))
}

fn position_facts(
    table: &InstrumentTable,
    rows: &[PositionStated],
    asked_at_seq: u64,
    as_of: UnixNs,
) -> Vec<ReconFact> {
    let mut listed: BTreeMap<InstrumentId, PositionCells> = BTreeMap::new();
    for row in rows {
        let cells = listed.entry(row.instrument).or_default();
        let cell = cells.cell_mut(row.side, row.margin);
        *cell = cell.saturating_add(row.units);
    }
    let instruments = table.instruments().map(|it| &it.instrument);
    instruments
        .filter(|it| it.kind != InstrumentKind::Spot)
        .map(|it| {
            let cells = listed.get(&it.id).copied();
            ReconFact::PositionSeen(PositionSeen {
                asked_at_seq,
                instrument: it.id,
                is_listed: cells.is_some(),
                cells: cells.unwrap_or_default(),
                as_of,
            })
        })
        .collect()
}

/// The account's balance in every currency that it has.
pub(super) fn read_balances(
    asker: &mut Asker,
    venue: VenueId,
    asked_at_seq: u64,
) -> Result<Vec<ReconFact>, QueryError> {
    let answered = asker.ask(&RestCall::Balance { ccy: None }, RestAnswers::balances)?;
    let balances = answered.value.into_iter().map(|balance| {
        ReconFact::BalanceSeen(BalanceSeen {
            asked_at_seq,
            venue,
            balance,
        })
    });
    Ok(balances.collect())
}
