//! Answers of OKX REST about the account and the market's rules: time, instruments, configuration,
//! positions, balances, the dead-man timer.
//!
//! okx.com/docs-v5, "Get system time", "Get instruments", "Get account configuration", "Get
//! positions", "Get balance", "POST / Cancel All After". Values that a later venue version may add
//! are never fatal. Must not know: what is done with them. Threads: none; a cold path, it
//! allocates.

use model::execution_report::QuarantineReason;
use model::identifiers::{Symbol, Text};
use model::instrument::{InstrumentKind, InstrumentState};
use model::{BalanceStated, PositionStated, UnixNs};

use super::answer::{Page, RestAnswers, RestError};
use super::instrument_rules::InstrumentRules;
use crate::json_tape::{Json, Scalar};
use crate::venue::okx::decode::{Member, each_balance, json_members, position};
use crate::venue::okx::instrument_table::InstrumentTable;

/// What the account is set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountConfig {
    /// `uid`.
    pub uid: Text<31>,
    /// `acctLv`: 1 spot, 2 futures, 3 multi-currency, 4 portfolio.
    pub account_level: u32,
    /// True for `net_mode`, which is what this version trades in.
    pub net_positions: bool,
    /// `perm`, comma-separated: `read_only`, `trade`, `withdraw`.
    pub permissions: Text<63>,
}

json_members! {
    /// What is read of an instrument.
    struct InstrumentMembers {
        inst_type = "instType",
        symbol = "instId",
        venue_code = "instIdCode",
        contract_type = "ctType",
        state = "state",
        tick = "tickSz",
        lot = "lotSz",
        quantity_min = "minSz",
        quantity_max = "maxLmtSz",
        contract_value = "ctVal",
        contract_multiplier = "ctMult",
    }
}

json_members! {
    /// What is read of an account's configuration.
    struct ConfigMembers {
        uid = "uid",
        level = "acctLv",
        position_mode = "posMode",
        permissions = "perm",
    }
}

json_members! {
    /// What is read of a clock and of a timer.
    struct TimeMembers {
        ts = "ts",
        trigger_time = "triggerTime",
    }
}

impl RestAnswers {
    /// The venue's clock (`public/time`).
    ///
    /// # Errors
    /// [`RestError`].
    pub fn time(&mut self, status: u16, body: &mut [u8]) -> Result<UnixNs, RestError> {
        self.first_row(status, body, |row| {
            let ts = TimeMembers::read(row)?.ts.time_ms()?;
            ts.ok_or(QuarantineReason::MissingMember)
        })
    }

    /// When the dead-man timer fires, as the venue writes it; 0 = it is off.
    ///
    /// # Errors
    /// [`RestError`].
    pub fn cancel_all_after(&mut self, status: u16, body: &mut [u8]) -> Result<u64, RestError> {
        self.first_row(status, body, |row| {
            let trigger = TimeMembers::read(row)?.trigger_time;
            let time = trigger.ok_or(QuarantineReason::MissingMember)?;
            Ok(time.scalar().unsigned()?.unwrap_or(0))
        })
    }

    /// The account's settings.
    ///
    /// # Errors
    /// [`RestError`].
    pub fn account_config(
        &mut self,
        status: u16,
        body: &mut [u8],
    ) -> Result<AccountConfig, RestError> {
        self.first_row(status, body, |row| {
            let members = ConfigMembers::read(row)?;
            let level = members.level.code()?;
            Ok(AccountConfig {
                uid: members.uid.id()?,
                account_level: level.ok_or(QuarantineReason::MissingMember)?,
                net_positions: members.position_mode.required_text()? == "net_mode",
                permissions: members.permissions.id()?,
            })
        })
    }

    /// Every instrument of an answer; kinds that this version does not trade are passed over.
    ///
    /// # Errors
    /// [`RestError`] when the venue gave no list.
    pub fn instruments(
        &mut self,
        status: u16,
        body: &mut [u8],
    ) -> Result<Page<InstrumentRules, ()>, RestError> {
        self.page(status, body, read_instrument, |_| Ok(()))
    }

    /// Every position in a configured instrument; the others are passed over, as
    /// `UnknownInstrument`.
    ///
    /// # Errors
    /// [`RestError`] when the venue gave no list.
    pub fn positions(
        &mut self,
        status: u16,
        body: &mut [u8],
        table: &InstrumentTable,
    ) -> Result<Page<PositionStated, ()>, RestError> {
        self.page(status, body, |row| position(row, table), |_| Ok(()))
    }

    /// The account's balances in all currencies that the answer has.
    ///
    /// # Errors
    /// [`RestError`], also when one of them cannot be read.
    pub fn balances(
        &mut self,
        status: u16,
        body: &mut [u8],
    ) -> Result<Vec<BalanceStated>, RestError> {
        self.first_row(status, body, |account| {
            let mut balances = Vec::new();
            let mut unreadable = None;
            each_balance(account, |read| match read {
                Ok(balance) => balances.push(balance),
                Err(reason) => unreadable = Some(reason),
            })?;
            unreadable.map_or(Ok(balances), Err)
        })
    }
}

fn read_instrument(row: Json<'_, '_>) -> Result<InstrumentRules, QuarantineReason> {
    let members = InstrumentMembers::read(row)?;
    let symbol: Symbol =
        Text::new(members.symbol.required_text()?.as_bytes()).ok_or(QuarantineReason::Malformed)?;
    let kind = match (
        members.inst_type.required_text()?,
        members.contract_type.text()?,
    ) {
        ("SPOT" | "MARGIN", _) => InstrumentKind::Spot,
        ("SWAP" | "FUTURES", Some("linear")) => InstrumentKind::Linear,
        ("SWAP" | "FUTURES", Some("inverse")) => InstrumentKind::Inverse,
        _ => return Err(QuarantineReason::UnknownKind),
    };
    let state = match members.state.required_text()? {
        "live" => InstrumentState::Live,
        "post_only" => InstrumentState::PostOnly,
        _ => InstrumentState::Suspended,
    };
    let venue_code = match members.venue_code.map(Json::scalar) {
        None | Some(Scalar::Null) => 0,
        Some(scalar) => scalar.unsigned()?.unwrap_or(0),
    };
    Ok(InstrumentRules {
        symbol,
        venue_code,
        kind,
        state,
        tick: members.tick.id()?,
        lot: members.lot.id()?,
        quantity_min: members.quantity_min.id()?,
        quantity_max: members.quantity_max.id()?,
        contract_value: members.contract_value.id()?,
        contract_multiplier: members.contract_multiplier.id()?,
    })
}
