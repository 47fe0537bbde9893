//! The strategy's life: attach, trade, come back after the engine's death, end quietly.
//!
//! Owns: the client, the clock, the ledger. Invariants: every event goes to the ledger before it is
//! acted on; a request that was not taken is undone, never sent again; at the end nothing new is
//! placed. Must not know: why the grid does what it does. Threads: one.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use millrun_client::{
    AttachError, Attached, Client, EventError, NewOrderSpec, Remedy, RequestError, Resume, Resync,
};
use model::decimal_text::parse_units;
use model::order_request::OrderReference;
use model::{Price, Quantity, RequestId};

use crate::arguments::GridOptions;
use crate::grid::{Action, Grid};
use crate::ledger::Ledger;

/// Longest time without a look at the stop flag and the clock.
const LOOK_MAX: Duration = Duration::from_millis(20);
/// Between two tries to reach an engine that is away.
const RETRY: Duration = Duration::from_millis(20);
/// Between two cancel-alls while orders are still open at the end.
const CANCEL_AGAIN: Duration = Duration::from_secs(2);

/// What came of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Orders that the venue took.
    pub orders: u64,
    /// Executions.
    pub fills: u64,
    /// Requests that were refused.
    pub refused: u64,
    /// Requests that died with an engine.
    pub not_taken: u64,
    /// Attachments after the first.
    pub reattaches: u64,
    /// Orders that were still open, or of unknown fate, at the end.
    pub still_open: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "strategy orders={} fills={} refused={} not_taken={} reattaches={}",
            self.orders, self.fills, self.refused, self.not_taken, self.reattaches
        )
    }
}

struct Session<'a> {
    options: &'a GridOptions,
    client: Client,
    grid: Grid,
    ledger: Ledger,
    began: Instant,
    reattaches: u64,
}

/// How a step ended.
enum Step {
    Done,
    /// The engine is gone, or has let go of us.
    Lost,
}

pub(crate) fn run(options: &GridOptions, stop: &AtomicBool) -> anyhow::Result<Summary> {
    let began = Instant::now();
    let Attached { client, resync } = first_attach(options, stop)?;
    let grid = grid_of(options, &client)?;
    let mut ledger = Ledger::create(options.ledger.as_deref())?;
    ledger.attached(resync.generation, resync.backlog_events)?;
    let mut session = Session {
        options,
        client,
        grid,
        ledger,
        began,
        reattaches: 0,
    };
    session.trade(stop)?;
    session.end()?;
    let counts = session.grid.counts;
    Ok(Summary {
        orders: counts.orders,
        fills: counts.fills,
        refused: counts.refused,
        not_taken: counts.not_taken,
        reattaches: session.reattaches,
        still_open: session.grid.open_slots(),
    })
}

/// Waits for the engine to come up.
fn first_attach(options: &GridOptions, stop: &AtomicBool) -> anyhow::Result<Attached> {
    let deadline = Instant::now() + options.engine_away;
    loop {
        match Client::attach(&options.socket, &options.strategy, Resume::FROM_NOW) {
            Ok(attached) => return Ok(attached),
            Err(error) => wait_to_retry(error, deadline)?,
        }
        if stop.load(Ordering::Relaxed) {
            bail!("stopped before the engine was reached");
        }
    }
}

/// Sleeps if trying again can help and there is time; else the error.
fn wait_to_retry(error: AttachError, deadline: Instant) -> anyhow::Result<()> {
    if error.remedy() != Remedy::TryAgain || Instant::now() >= deadline {
        return Err(error).context("attaching to the engine");
    }
    // A socket that is not there cannot be waited for.
    std::thread::sleep(RETRY);
    Ok(())
}

fn grid_of(options: &GridOptions, client: &Client) -> anyhow::Result<Grid> {
    let mut grid = Grid::new(options.seed);
    for (symbol, center) in &options.centers {
        let instrument = client
            .instruments()
            .by_symbol(symbol)
            .with_context(|| format!("the engine has no instrument {symbol}"))?;
        let center = parse_units(center.as_bytes(), instrument.price_scale)
            .with_context(|| format!("--center {symbol}={center}"))?;
        let quantity = match &options.quantity {
            None => instrument.quantity_min,
            Some(text) => parse_units(text.as_bytes(), instrument.quantity_scale)
                .map(Quantity::from_units)
                .with_context(|| format!("--quantity {text} at {symbol}"))?,
        };
        grid.add(
            *instrument,
            Price::from_units(center),
            options.spacing,
            options.levels,
            quantity,
            options.orders_per_2s,
        );
    }
    Ok(grid)
}

impl Session<'_> {
    /// Trades until the target, the time or the stop flag.
    fn trade(&mut self, stop: &AtomicBool) -> anyhow::Result<()> {
        // Orders of an earlier life that nobody looks after any more.
        if matches!(self.client.cancel_all(None), Err(error) if !goes_by(&error)) {
            bail!("the engine's ring cannot be written");
        }
        while !self.is_over(stop) {
            let step = match self.act()? {
                Step::Done => {
                    let next_ns = self.grid.next_at_ns(self.now_ns());
                    let wait = Duration::from_nanos(next_ns.saturating_sub(self.now_ns()));
                    self.listen(wait.min(LOOK_MAX))?
                }
                Step::Lost => Step::Lost,
            };
            if matches!(step, Step::Lost) {
                self.come_back()?;
            }
        }
        Ok(())
    }

    /// Cancels everything and waits until nothing is open.
    fn end(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + self.options.quiet_within;
        let mut cancel_at = Instant::now();
        let mut answered = None;
        loop {
            let now = Instant::now();
            if now >= deadline {
                return self.ledger.flush();
            }
            if cancel_at <= now {
                match self.client.cancel_all(None) {
                    Ok(request) => {
                        answered = Some(request);
                        cancel_at = now + CANCEL_AGAIN;
                    }
                    Err(RequestError::Full) => cancel_at = now + RETRY,
                    Err(error) if goes_by(&error) => {
                        self.come_back()?;
                        continue;
                    }
                    Err(error) => return Err(error).context("cancelling everything"),
                }
            }
            if answered.is_some() && self.grid.open_slots() == 0 {
                return self.ledger.flush();
            }
            if matches!(self.listen(LOOK_MAX)?, Step::Lost) {
                self.come_back()?;
                cancel_at = Instant::now();
            }
        }
    }

    /// Writes all that is due.
    fn act(&mut self) -> anyhow::Result<Step> {
        let target = self.options.target_orders.unwrap_or(u64::MAX);
        while self.grid.counts.orders < target {
            let now_ns = self.now_ns();
            let Some((slot, action)) = self.grid.next_action(now_ns) else {
                break;
            };
            match self.write(&action) {
                Ok(request_id) => self.grid.written(slot, &action, request_id, now_ns),
                Err(RequestError::Full) => break,
                Err(error) if goes_by(&error) => return Ok(Step::Lost),
                Err(error) => return Err(error).context("writing a request"),
            }
        }
        Ok(Step::Done)
    }

    fn write(&mut self, action: &Action) -> Result<RequestId, RequestError> {
        match *action {
            Action::Place {
                instrument,
                side,
                order_quantity,
                limit_price,
            } => {
                let mut spec = NewOrderSpec::limit(instrument, side, order_quantity, limit_price);
                spec.post_only = self.options.post_only;
                self.client.place(&spec)
            }
            Action::Cancel { order } => self.client.cancel(order),
            Action::Replace {
                order,
                instrument,
                order_quantity,
                limit_price,
            } => {
                let order = OrderReference::ClientOrderId(order);
                self.client
                    .replace(order, instrument, order_quantity, limit_price)
            }
        }
    }

    /// Takes all events that are there; waits for the first.
    fn listen(&mut self, wait: Duration) -> anyhow::Result<Step> {
        let mut wait = wait;
        loop {
            match self.client.next_event(wait) {
                Ok(Some(event)) => {
                    let instrument = self.client.instruments().by_id(event.instrument);
                    self.ledger.event(&event, instrument)?;
                    let now_ns = self.now_ns();
                    self.grid.on_event(&event, now_ns);
                }
                Ok(None) => {
                    self.ledger.flush()?;
                    return Ok(Step::Done);
                }
                Err(error) if lets_come_back(&error) => return Ok(Step::Lost),
                Err(error) => return Err(error).context("reading events"),
            }
            wait = Duration::ZERO;
        }
    }

    /// Attaches again and settles what was under way.
    fn come_back(&mut self) -> anyhow::Result<()> {
        self.ledger.flush()?;
        let deadline = Instant::now() + self.options.engine_away;
        let resync: Resync = loop {
            match self.client.reattach() {
                Ok(resync) => break resync,
                Err(error) => wait_to_retry(error, deadline)?,
            }
        };
        self.reattaches += 1;
        self.ledger
            .attached(resync.generation, resync.backlog_events)?;
        let now_ns = self.now_ns();
        for request_id in resync.not_taken.ids() {
            self.ledger.not_taken(request_id)?;
            self.grid.not_taken(request_id, now_ns);
        }
        if let Some(gap) = resync.gaps.first() {
            bail!("events from {} on are lost to the journal", gap.from);
        }
        Ok(())
    }

    fn is_over(&self, stop: &AtomicBool) -> bool {
        let target = self.options.target_orders.unwrap_or(u64::MAX);
        stop.load(Ordering::Relaxed)
            || self.grid.counts.orders >= target
            || self.began.elapsed() >= self.options.max_time
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Whether attaching again makes it good.
fn goes_by(error: &RequestError) -> bool {
    matches!(error.remedy(), Remedy::Reattach | Remedy::TryAgain)
}

fn lets_come_back(error: &EventError) -> bool {
    error.remedy() == Remedy::Reattach
}
