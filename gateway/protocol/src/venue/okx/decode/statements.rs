//! Balances and positions: as the `account` and `positions` channels push them, and as REST lists
//! them.
//!
//! okx.com/docs-v5, "WS / Account channel", "WS / Positions channel", "Get balance", "Get
//! positions". `pos` of swaps and futures counts contracts, as order quantities do, so no contract
//! value enters. Invariants: absent is not zero: a row without `pos` or `cashBal` is set aside; a
//! row about what is not configured is counted and not read. Must not know: what we think we hold.
//! Threads: none.

use model::account_statement::{BalanceStated, Currency};
use model::execution_report::QuarantineReason;
use model::instrument::InstrumentKind;
use model::{MarginMode, PositionSide, PositionStated, VenueReport};

use super::ReportSink;
use super::members::{Member, json_members};
use crate::json_tape::Json;
use crate::venue::okx::instrument_table::InstrumentTable;

json_members! {
    /// What is read of a position.
    struct PositionMembers {
        inst_type = "instType",
        symbol = "instId",
        margin = "mgnMode",
        side = "posSide",
        position = "pos",
        updated_at = "uTime",
    }
}

json_members! {
    /// What is read of an account.
    struct AccountMembers {
        details = "details",
    }
}

json_members! {
    /// What is read of an account's balance in one currency.
    struct BalanceMembers {
        currency = "ccy",
        total = "cashBal",
        available = "availBal",
        updated_at = "uTime",
    }
}

/// The positions of a push: a report for each that is ours, and one that counts the others.
pub(super) fn read_positions(
    data: Json<'_, '_>,
    table: &InstrumentTable,
    sink: &mut ReportSink<'_>,
) -> Result<(), QuarantineReason> {
    let mut elsewhere = 0_u16;
    for row in data.elements().ok_or(QuarantineReason::Malformed)? {
        match position(row, table) {
            Ok(stated) => sink.push(VenueReport::Position(stated)),
            Err(QuarantineReason::UnknownInstrument) => elsewhere = elsewhere.saturating_add(1),
            Err(reason) => sink.push(VenueReport::Quarantined(reason)),
        }
    }
    if elsewhere > 0 {
        sink.push(VenueReport::PositionsElsewhere { rows: elsewhere });
    }
    Ok(())
}

/// The balances of a push: a report for each currency.
pub(super) fn read_balances(
    data: Json<'_, '_>,
    sink: &mut ReportSink<'_>,
) -> Result<(), QuarantineReason> {
    for account in data.elements().ok_or(QuarantineReason::Malformed)? {
        each_balance(account, |read| match read {
            Ok(stated) => sink.push(VenueReport::Balance(stated)),
            Err(reason) => sink.push(VenueReport::Quarantined(reason)),
        })?;
    }
    Ok(())
}

/// Every balance of an account object.
///
/// # Errors
/// An object that has no list of them.
pub(crate) fn each_balance(
    account: Json<'_, '_>,
    mut on_balance: impl FnMut(Result<BalanceStated, QuarantineReason>),
) -> Result<(), QuarantineReason> {
    let details = AccountMembers::read(account)?.details;
    let details = details.ok_or(QuarantineReason::MissingMember)?;
    for row in details.elements().ok_or(QuarantineReason::Malformed)? {
        on_balance(balance(row));
    }
    Ok(())
}

/// One position. A margin position of a spot pair is no position of the pair: its `pos` counts
/// coins of either side.
///
/// # Errors
/// `UnknownInstrument` for what is not configured; else why it cannot be read.
pub(crate) fn position(
    row: Json<'_, '_>,
    table: &InstrumentTable,
) -> Result<PositionStated, QuarantineReason> {
    let members = PositionMembers::read(row)?;
    let symbol = members.symbol.required_text()?;
    let known = table.by_symbol(symbol.as_bytes()).map(|it| &it.instrument);
    let counts_contracts = matches!(members.inst_type.required_text()?, "SWAP" | "FUTURES");
    let instrument = known
        .filter(|it| counts_contracts && it.kind != InstrumentKind::Spot)
        .ok_or(QuarantineReason::UnknownInstrument)?;
    let side = match members.side.required_text()? {
        "net" => PositionSide::Net,
        "long" => PositionSide::Long,
        "short" => PositionSide::Short,
        _ => return Err(QuarantineReason::UnknownKind),
    };
    let margin = match members.margin.required_text()? {
        "cross" => MarginMode::Cross,
        "isolated" => MarginMode::Isolated,
        _ => return Err(QuarantineReason::UnknownKind),
    };
    let units = members.position.required_units(instrument.quantity_scale)?;
    if units < 0 && side != PositionSide::Net {
        return Err(QuarantineReason::BadNumber);
    }
    let venue_time = members.updated_at.time_ms()?;
    Ok(PositionStated {
        instrument: instrument.id,
        side,
        margin,
        units,
        venue_time: venue_time.ok_or(QuarantineReason::MissingMember)?,
    })
}

fn balance(row: Json<'_, '_>) -> Result<BalanceStated, QuarantineReason> {
    let members = BalanceMembers::read(row)?;
    let currency = members.currency.required_text()?;
    let total = members.total.amount()?;
    let venue_time = members.updated_at.time_ms()?;
    Ok(BalanceStated {
        currency: Currency::new(currency.as_bytes()).ok_or(QuarantineReason::Malformed)?,
        total: total.ok_or(QuarantineReason::MissingMember)?,
        available: members.available.amount()?,
        venue_time: venue_time.ok_or(QuarantineReason::MissingMember)?,
    })
}
