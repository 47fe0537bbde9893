//! OKX's request limits: per account and instrument for order operations, per sub-account for new
//! and amended orders, per path for queries (docs: "Rate Limits", and each endpoint).
//!
//! Invariants: REST and WebSocket share the order budgets; place, amend and cancel are independent.

use crate::config::LimitConfig;
use crate::limits::SlidingWindows;
use crate::okx::error_code::VenueError;

/// Kind of an order operation, for its budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum OperationKind {
    Place,
    Amend,
    Cancel,
}

pub(crate) struct RequestLimits {
    config: LimitConfig,
    singles: SlidingWindows<(usize, usize, OperationKind)>,
    batches: SlidingWindows<(usize, usize, OperationKind)>,
    sub_accounts: SlidingWindows<usize>,
    queries: SlidingWindows<(usize, String)>,
    connections: SlidingWindows<()>,
    pub(crate) refused: u64,
}

impl RequestLimits {
    pub(crate) fn new(config: LimitConfig) -> Self {
        let window_ms = i64::try_from(config.window.as_millis()).unwrap_or(i64::MAX);
        Self {
            config,
            singles: SlidingWindows::new(window_ms),
            batches: SlidingWindows::new(window_ms),
            sub_accounts: SlidingWindows::new(window_ms),
            queries: SlidingWindows::new(window_ms),
            connections: SlidingWindows::new(1_000),
            refused: 0,
        }
    }

    /// Counts one leg of an order operation. `is_batch` is false for a batch of one.
    pub(crate) fn take_leg(
        &mut self,
        account: usize,
        instrument: usize,
        is_spot: bool,
        kind: OperationKind,
        is_batch: bool,
        now_ms: i64,
    ) -> Result<(), VenueError> {
        if !self.config.is_on {
            return Ok(());
        }
        let key = (account, instrument, kind);
        let has_room = if is_batch {
            self.batches
                .take(key, now_ms, 1, self.config.batch_per_window)
        } else {
            self.singles
                .take(key, now_ms, 1, self.config.single_per_window)
        };
        if !has_room {
            self.refused += 1;
            return Err(VenueError::rate_limit());
        }
        let counts_for_account = kind != OperationKind::Cancel && !is_spot;
        let limit = self.config.sub_account_per_window;
        if counts_for_account && !self.sub_accounts.take(account, now_ms, 1, limit) {
            self.refused += 1;
            return Err(VenueError::known("50061"));
        }
        Ok(())
    }

    /// Counts one new WebSocket connection. Returns whether it may open.
    pub(crate) fn take_connection(&mut self, now_ms: i64) -> bool {
        let limit = self.config.connections_per_second;
        limit == 0 || self.connections.take((), now_ms, 1, limit)
    }

    /// Counts one query of an account on a path.
    pub(crate) fn take_query(
        &mut self,
        account: usize,
        path: &str,
        now_ms: i64,
    ) -> Result<(), VenueError> {
        if !self.config.is_on || !self.config.is_query_limited {
            return Ok(());
        }
        let limit = query_limit(path);
        if self
            .queries
            .take((account, path.to_owned()), now_ms, 1, limit)
        {
            return Ok(());
        }
        self.refused += 1;
        Err(VenueError::rate_limit())
    }
}

/// Documented requests per 2 s of a path.
fn query_limit(path: &str) -> u32 {
    match path.trim_start_matches("/api/v5/") {
        "trade/order" | "trade/orders-pending" | "trade/fills" => 60,
        "trade/orders-history" => 40,
        "trade/fills-history" | "account/balance" | "account/positions" | "public/time" => 10,
        "account/config" | "account/set-position-mode" | "trade/mass-cancel" => 5,
        "account/trade-fee" => 5,
        "asset/currencies" => 12,
        "trade/cancel-all-after" => 2,
        _ => 20,
    }
}
