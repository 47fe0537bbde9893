//! A journal that a real engine writes, as the hot thread does: one entry for an input and all that
//! was decided on it.

use engine::{Decisions, ENGINE_VERSION, Engine, Moment};
use journal::{Journal, JournalOptions, Mode};
use model::engine_config::{
    InstrumentPolicy, OnLoss, RateRule, RateScope, StrategyPolicy, TradingMode, VenuePolicy,
};
use model::execution_report::VenueOrderState;
use model::identifiers::{Symbol, Text};
use model::input::{
    Admission, Input, LinkChanged, LinkReason, LinkState, RecoveryStarted, RequestInput,
};
use model::instrument::{InstrumentKind, InstrumentState};
use model::journal_record::put_entry;
use model::recon_fact::SweepEnded;
use model::time::{NS_PER_MS, NS_PER_S};
use model::{
    AccountId, BootEpoch, ClientOrderId, Decision, EngineConfig, InstanceTag, Instrument,
    InstrumentId, LinkId, MonotonicNs, NewOrder, Notional, OrderType, OrderUpdate, Price, Quantity,
    ReconFact, Request, RequestId, Side, StrategyId, TimeInForce, UnixNs, UtcAnchor, VenueId,
    VenueOrderId, VenueReport,
};
use rustix::time::{ClockId, clock_gettime};
use std::path::PathBuf;
use tempfile::TempDir;

/// A small segment, so that a journal has several.
pub(crate) const SEGMENT_BYTES: u32 = 64 * 1024;

pub(crate) struct Written {
    data: TempDir,
    journal: Option<Journal>,
    pub(crate) engine: Engine,
    decisions: Decisions,
    requests: u64,
}

impl Written {
    /// A new journal in which a venue is open.
    pub(crate) fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let config = config();
        let journal = Journal::open(&options(data.path().join("journal"))).unwrap();
        let epoch = BootEpoch::new(journal.boot_epoch).unwrap();
        let mut written = Self {
            data,
            journal: Some(journal),
            engine: Engine::new(&config),
            decisions: Decisions::with_capacity(512),
            requests: 0,
        };
        let anchor = UtcAnchor {
            monotonic: now(),
            unix: UnixNs(1_790_000_000 * NS_PER_S),
            error_ns: 0,
        };
        written.take(&Input::ConfigApplied(&config));
        written.take(&Input::RecoveryStarted(RecoveryStarted {
            epoch,
            engine_version: ENGINE_VERSION,
            anchor,
        }));
        written.take(&Input::StrategyAttached {
            strategy: StrategyId(0),
            generation: 1,
        });
        let asked_at_seq = written.take(&Input::LinkChanged(LinkChanged {
            venue: VenueId(0),
            link: LinkId(1),
            state: LinkState::Up,
            reason: LinkReason::Ready,
        }));
        written.take(&Input::ReconFact(ReconFact::SweepEnded(SweepEnded {
            asked_at_seq,
            venue: VenueId(0),
            sweep_no: 1,
            complete: true,
        })));
        for _ in 0..4 {
            written.take(&Input::Timer);
        }
        written
    }

    pub(crate) fn journal_directory(&self) -> PathBuf {
        self.data.path().join("journal")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.data.path().to_owned()
    }

    pub(crate) fn epoch(&self) -> u32 {
        self.journal.as_ref().unwrap().boot_epoch
    }

    pub(crate) fn last_sequence(&self) -> u64 {
        self.journal.as_ref().unwrap().writer.next_sequence() - 1
    }

    /// The writer goes away; the journal stays.
    pub(crate) fn close(&mut self) {
        self.journal = None;
    }

    /// Opens it again as a start does; gives the sequences that were shown.
    pub(crate) fn reopen(&self, trusted_sequence: u64) -> Result<Vec<u64>, String> {
        let mut options = options(self.journal_directory());
        options.trusted_sequence = trusted_sequence;
        let mut shown = Vec::new();
        let opened = Journal::open_visiting(&options, &mut |entry| shown.push(entry.sequence));
        opened.map(|_| shown).map_err(|error| error.to_string())
    }

    /// Decides on an input and appends both; gives the sequence.
    pub(crate) fn take(&mut self, input: &Input<'_>) -> u64 {
        self.append(input, |decisions| decisions.to_vec())
    }

    /// As [`Self::take`], but the journal says `recorded` of what was decided.
    pub(crate) fn append(
        &mut self,
        input: &Input<'_>,
        recorded: impl Fn(&[Decision]) -> Vec<Decision>,
    ) -> u64 {
        let writer = &mut self.journal.as_mut().unwrap().writer;
        let moment = Moment {
            sequence: writer.next_sequence(),
            now: now(),
        };
        self.engine.handle(moment, input, &mut self.decisions);
        let mut body = Vec::new();
        put_entry(input, &recorded(self.decisions.as_slice()), &mut body);
        let kind = u16::from(input.kind().number());
        loop {
            // The keeper makes the next segment on its own thread.
            let Ok(mut entry) = writer.begin(kind, moment.now.0, body.len()) else {
                std::thread::yield_now();
                continue;
            };
            entry.put(&body);
            return entry.commit().sequence();
        }
    }

    pub(crate) fn request(&mut self) -> RequestInput {
        self.requests += 1;
        RequestInput {
            strategy: StrategyId(0),
            request_id: RequestId(self.requests),
            written_at: now(),
            admission: Admission::Granted,
            request: Request::New(order()),
        }
    }

    /// So many orders, each shown live by the venue and every second one then cancelled.
    pub(crate) fn orders(&mut self, count: u64) {
        for number in 0..count {
            let request = self.request();
            self.take(&Input::Request(request));
            let created = self.decisions.as_slice().iter().find_map(|one| match one {
                Decision::Order(change) => Some(change.client_order_id),
                _ => None,
            });
            let id = created.unwrap_or_else(|| panic!("{:?}", self.decisions.as_slice()));
            self.show(id, VenueOrderState::Live);
            if number % 2 == 1 {
                self.show(id, VenueOrderState::Cancelled);
            }
        }
    }

    fn show(&mut self, id: ClientOrderId, state: VenueOrderState) {
        let reports = [VenueReport::Order(shown(id, state))];
        self.take(&Input::VenueFrame {
            venue: VenueId(0),
            link: LinkId(1),
            raw: b"{}",
            reports: &reports,
        });
    }
}

pub(crate) fn options(directory: PathBuf) -> JournalOptions {
    let mut options = JournalOptions::new(directory, 9, 900_000);
    options.mode = Mode::Process;
    options.segment_bytes = SEGMENT_BYTES;
    options.allow_tmpfs = true;
    options
}

/// The clock that a shadow compares with.
pub(crate) fn now() -> MonotonicNs {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap();
    MonotonicNs(seconds * NS_PER_S + u64::try_from(now.tv_nsec).unwrap())
}

fn config() -> EngineConfig {
    EngineConfig {
        version: 1,
        instance_tag: InstanceTag::new(9).unwrap(),
        order_capacity: 4096,
        execution_capacity: 4096,
        answer_window: 1024,
        terminal_keep_ns: NS_PER_S,
        request_age_max_ns: 60 * NS_PER_S,
        venues: vec![VenuePolicy {
            id: VenueId(0),
            name: Text::new(b"okx").unwrap(),
            command_window_ns: NS_PER_S,
            settle_ns: NS_PER_S,
            command_timeout_ns: 60 * NS_PER_S,
            sweep_interval_ns: 1 << 60,
            ask_interval_ns: NS_PER_S,
            ask_attempts: 12,
            dialect: Text::new(b"okx").unwrap(),
            mode: TradingMode::Paper,
            rates: vec![RateRule {
                scope: RateScope::Account,
                counts_new: true,
                counts_cancel: false,
                counts_replace: true,
                messages: 4096,
                window_ns: 2 * NS_PER_MS,
            }],
        }],
        instruments: vec![InstrumentPolicy {
            instrument: instrument(),
            trade_mode: Text::new(b"cross").unwrap(),
            halt_on_recon_break: false,
            order_quantity_max: Quantity::from_units(1_000_000),
            order_notional_max: Notional(i128::from(i64::MAX)),
            open_orders_max: u32::MAX,
            position_long_max: Quantity::from_units(i64::MAX),
            position_short_max: Quantity::from_units(i64::MAX),
        }],
        strategies: vec![StrategyPolicy {
            id: StrategyId(0),
            name: Text::new(b"test").unwrap(),
            open_orders_max: u32::MAX,
            orders_per_s_max: 4096,
            on_loss: OnLoss::Keep,
        }],
    }
}

fn instrument() -> Instrument {
    Instrument {
        id: InstrumentId(0),
        venue: VenueId(0),
        account: AccountId(0),
        symbol: Symbol::new(b"BTC-USDT-SWAP").unwrap(),
        venue_code: 1,
        kind: InstrumentKind::Linear,
        state: InstrumentState::Live,
        price_scale: 3,
        quantity_scale: 4,
        tick: Price::from_units(100),
        lot: Quantity::from_units(100),
        quantity_min: Quantity::from_units(100),
        quantity_max: Quantity::from_units(1_000_000_000_000),
        multiplier_units: 1,
        multiplier_scale: 2,
    }
}

fn order() -> NewOrder {
    NewOrder {
        instrument: InstrumentId(0),
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::GoodTillCancel,
        post_only: false,
        reduce_only: false,
        order_quantity: Quantity::from_units(2_500),
        limit_price: Price::from_units(64_123_500),
        valid_for_ns: 0,
    }
}

fn shown(id: ClientOrderId, state: VenueOrderState) -> OrderUpdate {
    OrderUpdate {
        client_order_id: Some(id),
        venue_order_id: VenueOrderId::lossy(format!("251{:013}", id.sequence()).as_bytes()),
        instrument: InstrumentId(0),
        side: Side::Buy,
        state,
        order_quantity: Quantity::from_units(2_500),
        limit_price: Price::from_units(64_123_500),
        cum_quantity: Quantity::ZERO,
        fill: None,
        replace: None,
        end_code: u32::from(state == VenueOrderState::Cancelled),
        venue_time: UnixNs(1_790_000_000 * NS_PER_S),
    }
}
