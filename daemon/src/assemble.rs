//! Making the threads of a daemon and joining them by rings; and taking them down again.
//!
//! Everything that the hot thread needs is made here, before it runs: rings, poll, connections, the
//! engine with its folded state. The first entries of a run (configuration, a new run) are written
//! here too, through the same turn.

use crate::clock::{Clock, utc_anchor};
use crate::cold_services::ColdServices;
use crate::cold_thread::{ColdThread, ColdVenue, HotWaker};
use crate::config::{self, Settings, VenueSettings};
use crate::hot_thread::{HotEnd, HotSettings, HotThread, Idle, LiveTurn};
use crate::journal_port::{JournalPort, JournalRules};
use crate::journal_watch::{JournalWatch, Watched, health_file};
use crate::kill_watch::KillWatch;
use crate::message_port::{MessagePort, StopSignal};
use crate::shadow_service::{on_diverged, start_shadow};
use crate::start::{Opened, RunOptions, journal_directory};
use crate::strategy_port::StrategyPort;
use crate::venue_connection::{ConnectionNote, VenueConnection, VenueEndpoint};
use crate::venue_port::VenuePort;
use crate::venue_rules::{instrument_table, query_settings, venue_credentials, venue_id};
use anyhow::{Context, Result, bail};
use cold::attach::{AttachNotice, AttachService, AttachSettings, EngineLinks, StrategyAccess};
use cold::venue_queries::{QueryOutcome, VenueQueries};
use engine::turn::{Turn, TurnBounds};
use engine::{ENGINE_VERSION, Engine};
use journal::lock::DirectoryLock;
use journal::{Keeper, Writer};
use model::attach_message::IdleMode;
use model::engine_config::StrategyPolicy;
use model::input::{Input, RecoveryStarted};
use model::time::{NS_PER_MS, NS_PER_S};
use model::{
    BootEpoch, ClientOrderId, EngineConfig, Instrument, InstrumentId, UnixNs, UtcAnchor, VenueId,
};
use rings::in_process::{Consumer, ring};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use transport::backoff::BackoffRules;
use transport::connector::{Connector, Endpoint, LinkUse};
use transport::poll_loop::PollLoop;
use transport::tls::TrustRoots;

/// Entries of the ring from the cold side to the hot thread.
const MESSAGES: usize = 4096;
/// Entries of the second ring, from the hot thread to the cold side.
const COMMITTED: usize = 16 * 1024;
/// How long a graceful stop may take.
const STOP_WITHIN_NS: u64 = 10 * NS_PER_S;
/// Fill queries of a run begin so long before the journal's last moment.
const LOOKBACK_NS_MIN: u64 = 60 * NS_PER_S;

/// How long a start waits for the next segment when this one is nearly full.
const ROOM_WITHIN: Duration = Duration::from_secs(10);

type Notes = Vec<Consumer<(VenueId, ConnectionNote)>>;

/// A daemon that is running.
pub struct Running {
    hot: JoinHandle<HotEnd>,
    cold: JoinHandle<Result<()>>,
    cold_stop: Arc<AtomicBool>,
    services: ColdServices,
    watch: JournalWatch,
    attach: AttachService,
    waker: HotWaker,
    stop: Arc<StopSignal>,
    cancel_on_stop: bool,
    kill_watch: JoinHandle<()>,
    _keeper: Keeper,
    _lock: DirectoryLock,
}

/// Makes every thread and lets them run.
pub(crate) fn assemble(
    settings: &Settings,
    options: RunOptions,
    opened: Opened,
    began: Instant,
) -> Result<Running> {
    let (folded, journal, config) = (opened.folded, opened.journal, opened.config);
    let (writer, boot_epoch) = (journal.writer, journal.boot_epoch);
    let watched = watched(settings, &journal.keeper);
    let anchor = utc_anchor();
    let poll = PollLoop::new(256).context("making the hot thread's poll")?;
    let waker = HotWaker::of(&poll);
    wake_by_sync(settings, &journal.keeper, &waker);
    let stop = Arc::new(StopSignal::default());
    let (messages, messages_in) = ring("messages", MESSAGES);
    let (committed, committed_out) = ring("committed", COMMITTED);
    let connector = Connector::start(Some(poll.waker())).context("starting the connector")?;
    let (connections, notes) = connections(settings, &config, u64::from(boot_epoch))?;
    let first_new_sequence = writer.next_sequence();
    let engine = folded.engine.unwrap_or_else(|| Engine::new(&config));
    let fills_since = fills_since(&engine, anchor.unix);
    let open_orders = open_orders(&engine);
    let (attach, strategies) = attach(settings, &config, &engine, &waker)?;
    let (mut kill_watch, kill_end) = KillWatch::new(&settings.data.directory, &config)?;
    let mut turn = Turn::new(
        engine,
        journal_port(writer, &watched, open_orders.len())?,
        VenuePort::new(connections, connector, anchor),
        strategies,
        MessagePort::new(messages_in, committed, Arc::clone(&stop), kill_end),
        Clock::new(),
        turn_bounds(settings),
    );
    let new_config = Some(&config).filter(|_| opened.config_is_new);
    begin_run(&mut turn, new_config, boot_epoch, anchor)?;
    let (venues, outcomes) = start_queries(settings, &config, fills_since, &open_orders)?;
    let cold_stop = Arc::new(AtomicBool::new(false));
    let on_live = options.on_live;
    let cold = ColdThread {
        journal_directory: journal_directory(settings),
        from_sequence: first_new_sequence,
        committed: committed_out,
        messages,
        outcomes,
        notes,
        venues,
        instruments: instruments(&config),
        waker: waker.clone(),
        anchor,
        stop: Arc::clone(&cold_stop),
        on_live: Some(Box::new(move || on_live(began.elapsed().as_millis()))),
    };
    kill_watch.settle(&mut turn, settings.kill.on_start)?;
    let hot = HotThread::new(turn, poll, Arc::clone(&stop), hot_settings(settings));
    let shadow = start_shadow(settings, boot_epoch, on_diverged(&stop, &waker))?;
    Ok(Running {
        cold: spawn("cold", move || cold.run())?,
        hot: spawn("hot", move || guarded(hot))?,
        kill_watch: kill_watch.start(waker.clone(), Arc::clone(&cold_stop))?,
        cold_stop,
        services: ColdServices::start(settings, &config, first_new_sequence, shadow)?,
        watch: JournalWatch::start(watched)?,
        attach,
        waker,
        stop,
        cancel_on_stop: options.cancel_on_stop,
        _keeper: journal.keeper,
        _lock: journal.lock,
    })
}

/// What the watch over the journal's health looks at.
fn watched(settings: &Settings, keeper: &Keeper) -> Watched {
    let loss_window_max_ns = settings
        .journal
        .max_loss_window_ms
        .saturating_mul(NS_PER_MS);
    Watched {
        progress: Arc::clone(keeper.progress()),
        gauge: Arc::default(),
        rules: JournalRules {
            mode: settings.journal.mode,
            loss_window_max_ns,
        },
        file: health_file(&settings.data.directory),
    }
}

/// The journal's port, once there is room for a run with so many open orders.
fn journal_port(writer: Writer, watched: &Watched, open_orders: usize) -> Result<JournalPort> {
    let mut port = JournalPort::new(writer, watched.rules, Arc::clone(&watched.gauge));
    let open_orders = u32::try_from(open_orders).unwrap_or(u32::MAX);
    port.wait_for_room(open_orders, ROOM_WITHIN)?;
    Ok(port)
}

/// A parked hot thread is woken when what it waits for is on the disk.
fn wake_by_sync(settings: &Settings, keeper: &Keeper, waker: &HotWaker) {
    if settings.hot.idle == config::Idle::Park {
        let waker = waker.clone();
        keeper.progress().wake_by(move || waker.wake());
    }
}

fn turn_bounds(settings: &Settings) -> TurnBounds {
    let requests = settings.hot.requests_per_turn;
    TurnBounds {
        requests,
        ..TurnBounds::default()
    }
}

/// Where each instrument trades, at the place of its id.
fn instruments(config: &EngineConfig) -> Vec<Instrument> {
    let policies = config.instruments.iter();
    policies.map(|policy| policy.instrument).collect()
}

fn hot_settings(settings: &Settings) -> HotSettings {
    let idle = match settings.hot.idle {
        config::Idle::Spin => Idle::Spin,
        config::Idle::Yield => Idle::Yield,
        config::Idle::Park => Idle::Park,
    };
    HotSettings {
        idle,
        cpu: settings.hot.cpu,
        stop_within_ns: STOP_WITHIN_NS,
        cancel_on_journal_failure: settings.journal.cancel_on_journal_failure,
    }
}

fn spawn<T: Send + 'static>(
    name: &'static str,
    body: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .with_context(|| format!("starting the {name} thread"))
}

/// A broken invariant on the hot thread ends the process: the journal and reconciliation bring us
/// back.
fn guarded(hot: HotThread) -> HotEnd {
    let run = std::panic::AssertUnwindSafe(move || hot.run(|text| tracing::warn!("{text}")));
    match std::panic::catch_unwind(run) {
        Ok(end) => end,
        Err(_) => {
            tracing::error!(
                "INVARIANT_BROKEN: the hot thread stopped at a broken invariant, named above; the \
                 journal is whole: start again, and report this"
            );
            std::process::abort();
        }
    }
}

/// The configuration if it is new, then the new run: the first entries of every run.
fn begin_run(
    turn: &mut LiveTurn,
    new_config: Option<&EngineConfig>,
    boot_epoch: u32,
    anchor: UtcAnchor,
) -> Result<()> {
    let Some(epoch) = BootEpoch::new(boot_epoch) else {
        bail!("boot epoch {boot_epoch} is above {}", BootEpoch::MAX);
    };
    let full =
        "the journal has no room for the first entries of this run: free space and start again";
    let now = turn.clock.now();
    if let Some(config) = new_config
        && turn.take(now, &Input::ConfigApplied(config)).is_err()
    {
        bail!(full);
    }
    let started = RecoveryStarted {
        epoch,
        engine_version: ENGINE_VERSION,
        anchor,
    };
    if turn.take(now, &Input::RecoveryStarted(started)).is_err() {
        bail!(full);
    }
    Ok(())
}

/// Every venue with its number, in the order of the numbers.
fn by_place<'a>(
    settings: &'a Settings,
    config: &EngineConfig,
) -> Result<Vec<(VenueId, &'a VenueSettings)>> {
    let with_id = |venue: &'a VenueSettings| Ok((venue_id(config, venue)?, venue));
    let mut venues: Vec<_> = settings.venues.iter().map(with_id).collect::<Result<_>>()?;
    venues.sort_by_key(|(id, _)| *id);
    let in_place = venues
        .iter()
        .enumerate()
        .all(|(at, (id, _))| usize::from(id.0) == at);
    if !in_place {
        bail!("a venue of the journal is not in the configuration file: add it again");
    }
    Ok(venues)
}

fn connections(
    settings: &Settings,
    config: &EngineConfig,
    seed: u64,
) -> Result<(Vec<VenueConnection>, Notes)> {
    let mut connections = Vec::new();
    let mut all_notes = Vec::new();
    for (id, venue) in by_place(settings, config)? {
        let (notes, notes_out) = ring("connection notes", 256);
        all_notes.push(notes_out);
        let endpoint = VenueEndpoint {
            venue: id,
            name: venue.name.clone(),
            endpoint: Arc::new(websocket_endpoint(venue)),
            credentials: venue_credentials(venue)?,
            table: instrument_table(venue, id, config)?,
            is_dry_run: venue.is_dry_run,
            backoff: BackoffRules {
                base_ns: venue.reconnect_base_ms.saturating_mul(NS_PER_MS),
                cap_ns: venue.reconnect_cap_ms.saturating_mul(NS_PER_MS),
                attempts_per_minute: venue.reconnects_per_minute,
            },
            heartbeat_ns: venue.heartbeat_ms.saturating_mul(NS_PER_MS),
            connect_within: Duration::from_millis(venue.connect_timeout_ms),
        };
        let seed = seed.rotate_left(8) ^ u64::from(id.0);
        connections.push(VenueConnection::new(endpoint, seed, notes));
    }
    Ok((connections, all_notes))
}

fn websocket_endpoint(venue: &VenueSettings) -> Endpoint {
    let base = venue.ws_url.path.trim_end_matches('/');
    let path = if base.is_empty() {
        "/ws/v5/private".to_owned()
    } else {
        base.to_owned()
    };
    Endpoint {
        host: venue.ws_url.host.clone(),
        port: venue.ws_url.port,
        link_use: LinkUse::WebSocket { path },
        tls_name: venue.ws_url.host.clone(),
        roots: match &venue.ca_file {
            Some(path) => TrustRoots::PemFile(path.clone()),
            None => TrustRoots::System,
        },
    }
}

/// Who may attach, each with the number of its last attachment.
fn strategy_access(
    settings: &Settings,
    config: &EngineConfig,
    engine: &Engine,
) -> Vec<StrategyAccess> {
    let states = &engine.state().strategies;
    let access = settings.strategies.iter().filter_map(|strategy| {
        let named = |policy: &&StrategyPolicy| policy.name.as_str() == strategy.name;
        let policy = config.strategies.iter().find(named)?;
        Some(StrategyAccess {
            name: policy.name,
            id: policy.id,
            allowed_uid: strategy.uid,
            last_generation: states
                .get(usize::from(policy.id.0))
                .map_or(0, |state| state.generation),
        })
    });
    access.collect()
}

fn attach(
    settings: &Settings,
    config: &EngineConfig,
    engine: &Engine,
    waker: &HotWaker,
) -> Result<(AttachService, StrategyPort)> {
    let (to_hot, handovers) = ring("handovers", 16);
    let (answers, from_hot) = ring("handover answers", 64);
    let (detached, detached_from_hot) = ring("detached", 64);
    let waker = waker.clone();
    let wake_hot = Box::new(move || waker.wake());
    let links = EngineLinks {
        to_hot,
        from_hot,
        detached_from_hot,
        wake_hot,
    };
    let mut attach =
        AttachSettings::new(settings.attach.socket.clone(), journal_directory(settings));
    attach.strategies = strategy_access(settings, config, engine);
    attach.instruments = config
        .instruments
        .iter()
        .map(|policy| policy.instrument)
        .collect();
    attach.request_capacity = settings.attach.request_capacity;
    attach.event_capacity = settings.attach.event_capacity;
    attach.idle_mode = match settings.hot.idle {
        config::Idle::Spin => IdleMode::Spin,
        config::Idle::Yield => IdleMode::Yield,
        config::Idle::Park => IdleMode::Park,
    };
    let service = AttachService::start(attach, links, Arc::new(log_attach))?;
    let mut strategies = StrategyPort::new(config.strategies.len(), handovers, answers, detached);
    strategies.set_bell(service.bell());
    Ok((service, strategies))
}

fn log_attach(notice: AttachNotice) {
    match notice {
        AttachNotice::Refused { code, detail } => {
            tracing::warn!(?code, "a strategy was not attached: {detail}");
        }
        AttachNotice::JournalUnreadable { detail } => {
            tracing::error!("missed events could not be read: {detail}");
        }
        other => tracing::info!("{other:?}"),
    }
}

/// From when on fills must be asked for: before the last moment that the journal knows.
fn fills_since(engine: &Engine, now: UnixNs) -> UnixNs {
    let oldest_open = engine.state().orders.iter().filter(|order| order.is_open());
    let oldest_open = oldest_open
        .map(|order| order.created_at)
        .min()
        .unwrap_or(now);
    UnixNs(oldest_open.min(now).0.saturating_sub(LOOKBACK_NS_MIN))
}

/// Every open order with when it was placed: where a look-up in the venue's history begins.
fn open_orders(engine: &Engine) -> Vec<(ClientOrderId, InstrumentId, UnixNs)> {
    let open = engine.state().orders.iter().filter(|order| order.is_open());
    open.map(|order| (order.client_order_id, order.instrument, order.created_at))
        .collect()
}

fn start_queries(
    settings: &Settings,
    config: &EngineConfig,
    fills_since: UnixNs,
    open_orders: &[(ClientOrderId, InstrumentId, UnixNs)],
) -> Result<(Vec<ColdVenue>, Receiver<QueryOutcome>)> {
    let (outcomes, received) = channel();
    let mut venues = Vec::new();
    for (id, venue) in by_place(settings, config)? {
        let table = instrument_table(venue, id, config)?;
        // The cold thread passes answers on, and wakes the hot thread when it did.
        let on_outcome = || {};
        let asking = query_settings(venue, id, table)?;
        let queries = VenueQueries::start(asking, outcomes.clone(), on_outcome)
            .with_context(|| format!("starting the queries of venue {}", venue.name))?;
        for (order, instrument, placed_at) in open_orders {
            if queries.trades(*instrument) {
                queries.note_placed(*order, *placed_at);
            }
        }
        let lookback_ns = venue.recon_lookback_s.saturating_mul(NS_PER_S);
        let from = UnixNs(fills_since.0.saturating_sub(lookback_ns));
        venues.push(ColdVenue {
            venue: id,
            name: venue.name.clone(),
            queries,
            fills_since: from,
        });
    }
    Ok((venues, received))
}

impl Running {
    /// Asks for a graceful stop.
    pub fn request_stop(&self) {
        self.stop.request(self.cancel_on_stop);
        self.waker.wake();
    }

    /// True while the hot thread runs.
    pub fn is_running(&self) -> bool {
        !self.hot.is_finished()
    }

    /// False when the cold thread ended on its own: no look-ups and no log of decisions any more.
    pub fn is_cold_alive(&self) -> bool {
        !self.cold.is_finished()
    }

    /// Waits for the hot thread's end and takes everything down.
    ///
    /// # Errors
    /// A cold side that failed: the journal is whole.
    pub fn join(self) -> Result<HotEnd> {
        let Ok(end) = self.hot.join() else {
            bail!("the hot thread ended by a panic")
        };
        self.attach.stop();
        self.watch.stop();
        self.cold_stop.store(true, Ordering::Release);
        if self.kill_watch.join().is_err() {
            tracing::error!("the kill latch's watcher ended by a panic");
        }
        let cold = self.cold.join();
        self.services.stop();
        match cold {
            Ok(result) => result?,
            Err(_) => bail!("the cold thread ended by a panic; the journal is whole"),
        }
        Ok(end)
    }
}
