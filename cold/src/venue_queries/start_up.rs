//! What a start asks a venue before anything runs: rules, clock, account. Blocks its caller.
//!
//! Must not know: configuration files, the journal. Threads: the caller's.

use std::sync::Arc;

use model::identifiers::Symbol;
use model::instrument::{InstrumentKind, InstrumentState};
use protocol::venue::okx::rest::RestCall;
use protocol::venue::okx::rest::answer::RestAnswers;
use protocol::venue::okx::rest::instrument_rules::InstrumentRules;

use super::asker::{Asker, OutcomeSink};
use super::https_client::HttpsClient;
use super::job_queue::JobQueue;
use super::query_error::QueryError;
use super::time_offset::TimeOffset;
use super::{QueryLimits, QuerySettings};

/// An instrument's rules, as the venue states them now. Texts are plain decimals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedInstrument {
    /// `instId`.
    pub symbol: Symbol,
    /// `instIdCode`; 0 when the venue has none.
    pub venue_code: u64,
    /// How money is counted.
    pub kind: InstrumentKind,
    /// Whether it trades.
    pub state: InstrumentState,
    /// `tickSz`.
    pub tick: String,
    /// `lotSz`.
    pub lot: String,
    /// `minSz`.
    pub quantity_min: String,
    /// `maxLmtSz`.
    pub quantity_max: String,
    /// `ctVal` × `ctMult`, exact; `1` for spot.
    pub multiplier: String,
}

/// What the account and the key are set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountFacts {
    /// `uid`.
    pub uid: String,
    /// `acctLv`: 1 spot, 2 futures, 3 multi-currency, 4 portfolio.
    pub account_level: u32,
    /// True for `net_mode`, the only one that this version trades in.
    pub net_positions: bool,
    /// The key may place orders.
    pub may_trade: bool,
    /// The key may move money out, which no order engine needs.
    pub may_withdraw: bool,
}

/// Reads the rules of `symbols`, in their order (okx.com/docs-v5, "Get instruments", by the
/// account).
///
/// # Errors
/// [`QueryError`] when the venue cannot be asked, does not list one of them, or states rules that
/// cannot be used.
pub fn fetch_instruments(
    settings: &QuerySettings,
    symbols: &[Symbol],
) -> Result<Vec<FetchedInstrument>, QueryError> {
    let mut asker = start_up_asker(settings)?;
    asker.refresh_offset_if_due();
    let mut listed: Vec<(&'static str, Vec<InstrumentRules>)> = Vec::new();
    for symbol in symbols {
        let inst_type = inst_type_of(symbol);
        if listed.iter().all(|(known, _)| *known != inst_type) {
            let call = RestCall::AccountInstruments { inst_type };
            let page = asker.ask(&call, RestAnswers::instruments)?.value;
            listed.push((inst_type, page.rows));
        }
    }
    let find = |symbol: &Symbol| {
        let inst_type = inst_type_of(symbol);
        let of_type = listed.iter().filter(|(known, _)| *known == inst_type);
        let rules = of_type
            .flat_map(|(_, rules)| rules)
            .find(|it| it.symbol == *symbol);
        let symbol = *symbol;
        rules
            .ok_or(QueryError::NotListed { symbol, inst_type })
            .and_then(fetched)
    };
    symbols.iter().map(find).collect()
}

/// Measures the venue's clock against ours.
///
/// # Errors
/// [`QueryError`] when the venue cannot be asked.
pub fn fetch_time_offset(settings: &QuerySettings) -> Result<TimeOffset, QueryError> {
    start_up_asker(settings)?.measure_offset()
}

/// Reads what the account and the key are set to (okx.com/docs-v5, "Get account configuration").
///
/// # Errors
/// [`QueryError`] when the venue cannot be asked.
pub fn fetch_account(settings: &QuerySettings) -> Result<AccountFacts, QueryError> {
    let mut asker = start_up_asker(settings)?;
    asker.refresh_offset_if_due();
    let config = asker
        .ask(&RestCall::AccountConfig, RestAnswers::account_config)?
        .value;
    let may = |permission: &str| {
        let permissions = config.permissions.as_str().split(',');
        permissions.map(str::trim).any(|it| it == permission)
    };
    Ok(AccountFacts {
        uid: config.uid.to_string(),
        account_level: config.account_level,
        net_positions: config.net_positions,
        may_trade: may("trade"),
        may_withdraw: may("withdraw"),
    })
}

fn start_up_asker(settings: &QuerySettings) -> Result<Asker, QueryError> {
    let limits = QueryLimits {
        job_bound: settings.timeout.saturating_mul(2),
        ..QueryLimits::default()
    };
    let client = HttpsClient::new(settings)?;
    let queue = Arc::new(JobQueue::new(0));
    let sink = OutcomeSink::new(settings, None);
    Ok(Asker::new(settings, limits, client, queue, sink))
}

/// `instType` by the form of an `instId`: `BTC-USDT`, `BTC-USDT-SWAP`, `BTC-USDT-260925`.
fn inst_type_of(symbol: &Symbol) -> &'static str {
    let text = symbol.as_str();
    match text.matches('-').count() {
        _ if text.ends_with("-SWAP") => "SWAP",
        0 | 1 => "SPOT",
        _ => "FUTURES",
    }
}

fn fetched(rules: &InstrumentRules) -> Result<FetchedInstrument, QueryError> {
    let unusable = |error| QueryError::Rules {
        symbol: rules.symbol,
        error,
    };
    let multiplier = rules.multiplier().map_err(unusable)?;
    Ok(FetchedInstrument {
        symbol: rules.symbol,
        venue_code: rules.venue_code,
        kind: rules.kind,
        state: rules.state,
        tick: rules.tick.to_string(),
        lot: rules.lot.to_string(),
        quantity_min: rules.quantity_min.to_string(),
        quantity_max: rules.quantity_max.to_string(),
        multiplier: multiplier.to_string(),
    })
}
