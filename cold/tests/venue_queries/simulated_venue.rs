//! A simulated venue, a trader who trades there, and the queries under test.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use millrun_cold::venue_queries::{
    NoteKind, QueryJob, QueryLimits, QueryOutcome, QuerySettings, Roots, VenueQueries,
};
use model::identifiers::{InstanceTag, Symbol};
use model::instrument::{Instrument, InstrumentKind, InstrumentState};
use model::{
    AccountId, BootEpoch, ClientOrderId, InstrumentId, Price, Quantity, ReconFact, UnixNs, VenueId,
    VenueOrderId,
};
use protocol::venue::okx::credentials::Credentials;
use protocol::venue::okx::instrument_table::{InstrumentTable, OkxSettings};
use protocol::venue::okx::order_terms::{
    CancelTerms, InstrumentRef, OrderRef, OrderTerms, PlaceTerms,
};
use protocol::venue::okx::rest::{RestCall, RestSigner};
use tokio::runtime::Runtime;
use venue_simulator::{AccountConfig, Fault, FaultRule, FaultTrigger, Running, SimulatorConfig};

/// The venue's number in facts.
pub(crate) const VENUE: VenueId = VenueId(3);
/// The instrument that most tests trade.
pub(crate) const SWAP: InstrumentId = InstrumentId(0);
/// Its symbol.
pub(crate) const SWAP_SYMBOL: &str = "BTC-USDT-SWAP";
/// A spot instrument beside it.
pub(crate) const SPOT: InstrumentId = InstrumentId(1);
/// Its symbol.
pub(crate) const SPOT_SYMBOL: &str = "ETH-USDT";
/// Nothing in these tests takes longer when all is well.
const PATIENCE: Duration = Duration::from_secs(60);

/// A simulator with its runtime.
pub(crate) struct SimulatedVenue {
    pub(crate) running: Running,
    /// Lives as long as the simulator, which runs on it.
    _runtime: Runtime,
    next_sequence: AtomicU32,
}

impl SimulatedVenue {
    pub(crate) fn start() -> Self {
        Self::start_with(|_| {})
    }

    pub(crate) fn start_with(change: impl FnOnce(&mut SimulatorConfig)) -> Self {
        let mut config = SimulatorConfig::default();
        config.market.is_on = false;
        change(&mut config);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let running = runtime
            .block_on(venue_simulator::Simulator::start(config))
            .unwrap();
        Self {
            running,
            _runtime: runtime,
            next_sequence: AtomicU32::new(1),
        }
    }

    /// Settings for account 1, whose orders are ours.
    pub(crate) fn settings(&self) -> QuerySettings {
        QuerySettings {
            venue: VENUE,
            name: "sim".to_owned(),
            rest_url: format!("https://{}", self.running.addr()),
            roots: Roots::PemFile(self.running.ca_pem_path().to_owned()),
            simulated_trading: true,
            credentials: credentials(1),
            table: table(),
            timeout: Duration::from_secs(10),
        }
    }

    /// An id of ours that no other test order has.
    pub(crate) fn new_id(&self) -> ClientOrderId {
        let minutes = u32::try_from(unix_now().0 / 60_000_000_000 - 28_928_160).unwrap();
        let sequence = self.next_sequence.fetch_add(1, Ordering::Relaxed);
        let epoch = BootEpoch::new(minutes).unwrap();
        ClientOrderId::new(InstanceTag::new(1).unwrap(), epoch, sequence).unwrap()
    }

    /// Places an order of account 1 under an id of ours.
    pub(crate) fn place(&self, symbol: &str, side: &str, sz: &str, px: &str) -> ClientOrderId {
        let id = self.new_id();
        self.trade(
            1,
            &place_terms(symbol, side, sz, px, Some(&id.to_string())),
            false,
        );
        id
    }

    /// Places an order of account 2, which ours can meet.
    pub(crate) fn counterparty(&self, symbol: &str, side: &str, sz: &str, px: &str) {
        self.trade(2, &place_terms(symbol, side, sz, px, None), false);
    }

    /// Places `count` equal orders of account 1, twenty at a time.
    pub(crate) fn place_many(&self, count: usize, sz: &str, px: &str) -> Vec<ClientOrderId> {
        let ids: Vec<ClientOrderId> = (0..count).map(|_| self.new_id()).collect();
        for batch in ids.chunks(20) {
            let texts: Vec<String> = batch.iter().map(ClientOrderId::to_string).collect();
            let terms: Vec<OrderTerms<'_>> = texts
                .iter()
                .flat_map(|id| place_terms(SWAP_SYMBOL, "buy", sz, px, Some(id)))
                .collect();
            self.trade(1, &terms, true);
        }
        ids
    }

    pub(crate) fn cancel(&self, symbol: &str, id: ClientOrderId) {
        let id = id.to_string();
        let terms = [OrderTerms::Cancel(CancelTerms {
            instrument: InstrumentRef::Symbol(symbol),
            order: OrderRef::ClientOrderId(&id),
        })];
        self.trade(1, &terms, false);
    }

    /// Sends order operations as a client of its own and insists that they are taken.
    fn trade(&self, account: u32, terms: &[OrderTerms<'_>], batch: bool) {
        let signer = RestSigner::new(credentials(account), true);
        let call = RestCall::Orders { terms, batch };
        let request = signer.request(&call, unix_now(), None).unwrap();
        let url = format!("https://{}{}", self.running.addr(), request.target());
        let mut post = self.agent().post(url);
        for (name, value) in &request.headers {
            post = post.header(*name, value.as_str());
        }
        let answer = post
            .send(&request.body)
            .unwrap()
            .body_mut()
            .read_to_string()
            .unwrap();
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["code"], "0", "{answer}");
    }

    fn agent(&self) -> ureq::Agent {
        let root = ureq::tls::Certificate::from_pem(self.running.ca_pem().as_bytes()).unwrap();
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let tls = ureq::tls::TlsConfig::builder()
            .root_certs(ureq::tls::RootCerts::from([root]))
            .unversioned_rustls_crypto_provider(provider)
            .build();
        ureq::Agent::config_builder()
            .tls_config(tls)
            .build()
            .new_agent()
    }

    /// Has the next `times` answers of a path (by its end) to account 1 go wrong; 0 = all of them.
    pub(crate) fn arm(&self, fault: Fault, on: &str, times: u64) {
        let is_signed = !on.starts_with("public/");
        let when = FaultTrigger {
            api_key: is_signed.then(|| AccountConfig::numbered(1).api_key),
            on: Some(on.to_owned()),
            times: Some(times),
            ..FaultTrigger::default()
        };
        self.running.arm(FaultRule { fault, when });
    }
}

/// The standard account of this number.
pub(crate) fn credentials(account: u32) -> Credentials {
    let account = AccountConfig::numbered(account);
    Credentials::new(&account.api_key, &account.secret, &account.passphrase).unwrap()
}

pub(crate) fn unix_now() -> UnixNs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    UnixNs(u64::try_from(since.as_nanos()).unwrap())
}

fn place_terms<'a>(
    symbol: &'a str,
    side: &'a str,
    sz: &'a str,
    px: &'a str,
    cl_ord_id: Option<&'a str>,
) -> [OrderTerms<'a>; 1] {
    let td_mode = if symbol.ends_with("-SWAP") {
        "cross"
    } else {
        "cash"
    };
    [OrderTerms::Place(PlaceTerms {
        instrument: InstrumentRef::Symbol(symbol),
        td_mode,
        side,
        ord_type: "limit",
        sz,
        px: Some(px),
        cl_ord_id,
        pos_side: None,
        tgt_ccy: None,
        stp_mode: None,
        tag: None,
        reduce_only: None,
        attach_algo_ords: &[],
    })]
}

/// The two instruments of the tests: quantities in 10^-4, prices in 10^-3.
pub(crate) fn table() -> InstrumentTable {
    let instrument = |id, symbol: &str, kind| Instrument {
        id,
        venue: VENUE,
        account: AccountId(0),
        symbol: Symbol::new(symbol.as_bytes()).unwrap(),
        venue_code: 1,
        kind,
        state: InstrumentState::Live,
        price_scale: 3,
        quantity_scale: 4,
        tick: Price::from_units(1),
        lot: Quantity::from_units(1),
        quantity_min: Quantity::from_units(1),
        quantity_max: Quantity::from_units(1_000_000_000),
        multiplier_units: 1,
        multiplier_scale: if kind == InstrumentKind::Linear { 2 } else { 0 },
    };
    let instruments = [
        instrument(SWAP, SWAP_SYMBOL, InstrumentKind::Linear),
        instrument(SPOT, SPOT_SYMBOL, InstrumentKind::Spot),
    ];
    InstrumentTable::new(VENUE, &instruments, &OkxSettings::default()).unwrap()
}

/// Bounds for tests: production's, but little patience with a venue that fails.
pub(crate) fn quick() -> QueryLimits {
    QueryLimits {
        backoff: Duration::from_millis(10),
        ..QueryLimits::default()
    }
}

/// The queries under test and what they said.
pub(crate) struct Queries {
    pub(crate) queries: VenueQueries,
    outcomes: Receiver<QueryOutcome>,
}

/// Everything that one question brought.
pub(crate) struct Answer {
    pub(crate) facts: Vec<ReconFact>,
    pub(crate) notes: Vec<NoteKind>,
}

impl Queries {
    pub(crate) fn start(settings: QuerySettings, limits: QueryLimits) -> Self {
        let (sender, outcomes) = channel();
        let queries = VenueQueries::start_with_limits(settings, limits, sender, || {}).unwrap();
        Self { queries, outcomes }
    }

    /// Asks about one order of [`SWAP`] whose venue id is not known.
    pub(crate) fn look_up(&self, client_order_id: ClientOrderId) -> Answer {
        self.look_up_at(client_order_id, VenueOrderId::EMPTY, SWAP)
    }

    pub(crate) fn look_up_at(
        &self,
        client_order_id: ClientOrderId,
        venue_order_id: VenueOrderId,
        instrument: InstrumentId,
    ) -> Answer {
        self.ask(QueryJob::Lookup {
            client_order_id,
            venue_order_id,
            instrument,
            ask_no: 7,
            asked_at_seq: 41,
        })
    }

    pub(crate) fn sweep(&self, fills_since: UnixNs) -> Answer {
        self.ask(QueryJob::Sweep {
            sweep_no: 9,
            asked_at_seq: 42,
            fills_since,
        })
    }

    /// Submits a question and collects until its end.
    pub(crate) fn ask(&self, job: QueryJob) -> Answer {
        self.queries.submit(job);
        let mut answer = Answer {
            facts: Vec::new(),
            notes: Vec::new(),
        };
        loop {
            match self.outcomes.recv_timeout(PATIENCE).unwrap() {
                QueryOutcome::Note(note) => {
                    assert_eq!(note.venue, VENUE);
                    answer.notes.push(note.kind);
                }
                QueryOutcome::Fact(fact) => {
                    answer.facts.push(fact);
                    if matches!(fact, ReconFact::LookupEnded(_) | ReconFact::SweepEnded(_)) {
                        return answer;
                    }
                }
            }
        }
    }
}

impl Answer {
    /// Whether the question was answered whole; checks that its end names it.
    pub(crate) fn is_complete(&self) -> bool {
        match self.facts.last().unwrap() {
            ReconFact::LookupEnded(ended) => {
                assert_eq!((ended.ask_no, ended.asked_at_seq), (7, 41));
                ended.complete
            }
            ReconFact::SweepEnded(ended) => {
                assert_eq!((ended.sweep_no, ended.asked_at_seq), (9, 42));
                assert_eq!(ended.venue, VENUE);
                ended.complete
            }
            other => panic!("no end: {other:?}"),
        }
    }

    pub(crate) fn fills(&self) -> Vec<&model::recon_fact::FillSeen> {
        let fills = self.facts.iter().filter_map(|fact| match fact {
            ReconFact::FillSeen(seen) => Some(seen),
            _ => None,
        });
        fills.collect()
    }

    pub(crate) fn orders(&self) -> Vec<&model::recon_fact::OrderSeen> {
        let orders = self.facts.iter().filter_map(|fact| match fact {
            ReconFact::OrderSeen(seen) => Some(seen),
            _ => None,
        });
        orders.collect()
    }

    pub(crate) fn absences(&self) -> Vec<&model::recon_fact::OrderAbsent> {
        let absences = self.facts.iter().filter_map(|fact| match fact {
            ReconFact::OrderAbsent(absent) => Some(absent),
            _ => None,
        });
        absences.collect()
    }

    /// True when every fill comes before every order.
    pub(crate) fn tells_fills_first(&self) -> bool {
        let is_fill = |fact: &ReconFact| matches!(fact, ReconFact::FillSeen(_));
        let is_order = |fact: &ReconFact| matches!(fact, ReconFact::OrderSeen(_));
        match (
            self.facts.iter().rposition(is_fill),
            self.facts.iter().position(is_order),
        ) {
            (Some(last_fill), Some(first_order)) => last_fill < first_order,
            _ => true,
        }
    }
}
