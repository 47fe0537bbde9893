//! Why we refuse: stable codes that programs match on and people can read.

use crate::canonical_enum;

canonical_enum! {
    /// A refusal by the engine. The names are part of the interface and never change meaning.
    pub enum RejectReason {
        /// A request that is not one: unknown kind, bad flag, non-zero padding.
        BadRequest = 1 as "BAD_REQUEST",
        /// The instrument is not configured.
        UnknownInstrument = 2 as "UNKNOWN_INSTRUMENT",
        /// The price is not a multiple of the tick, or not above zero.
        BadTick = 3 as "BAD_TICK",
        /// The quantity is not a multiple of the lot, or not above zero.
        BadLot = 4 as "BAD_LOT",
        /// Below the instrument's smallest order.
        BelowMinimum = 5 as "BELOW_MINIMUM",
        /// A product or sum that 128 bits do not hold.
        Overflow = 6 as "OVERFLOW",
        /// Above `risk.max_order_qty` or the venue's own limit.
        RiskOrderQuantity = 7 as "RISK_ORDER_QTY",
        /// Above `risk.max_order_notional`.
        RiskOrderNotional = 8 as "RISK_ORDER_NOTIONAL",
        /// As many open orders as `risk.max_open_orders` already.
        RiskOpenCount = 9 as "RISK_OPEN_COUNT",
        /// `risk.max_msgs_per_s` or the venue's own rate is used up.
        RiskMessageRate = 10 as "RISK_MSG_RATE",
        /// A check needs a reference price that is missing or old.
        RiskNoReference = 11 as "RISK_NO_REFERENCE",
        /// The instrument does not trade now.
        RiskInstrumentState = 12 as "RISK_INSTRUMENT_STATE",
        /// The strategy may not trade this instrument.
        RiskNotAllowed = 13 as "RISK_NOT_ALLOWED",
        /// The kill latch is closed.
        Killed = 14 as "KILLED",
        /// The order is not known.
        OrderNotFound = 15 as "ORDER_NOT_FOUND",
        /// The order belongs to another strategy.
        NotOwner = 16 as "NOT_OWNER",
        /// The order's status does not allow this.
        InvalidStateTransition = 17 as "INVALID_STATE_TRANSITION",
        /// The order has four commands under way already.
        PendingFull = 18 as "PENDING_FULL",
        /// The order store is full.
        StoreFull = 19 as "STORE_FULL",
        /// The run's client order ids are used up.
        IdsExhausted = 20 as "IDS_EXHAUSTED",
        /// The request is older than `engine.max_request_age_ms` or its own validity.
        StaleRequest = 21 as "STALE_REQUEST",
        /// A request id below the highest one, with other content or long forgotten.
        StaleRequestId = 22 as "STALE_REQUEST_ID",
        /// A request id that was used with other content.
        DuplicateRequestId = 23 as "DUPLICATE_REQUEST_ID",
        /// The engine is recovering or reconciling.
        Recovering = 24 as "RECOVERING",
        /// The venue's connection is down.
        VenueDown = 25 as "VENUE_DOWN",
        /// The venue's connection is full.
        VenueBusy = 26 as "VENUE_BUSY",
        /// The venue is halted; cancels and fills still work.
        VenueHalted = 27 as "VENUE_HALTED",
        /// The journal keeps its last room for cancels and fills.
        JournalLow = 28 as "JOURNAL_LOW",
        /// The strategy does not read its events.
        EventBacklog = 29 as "EVENT_BACKLOG",
        /// More requests than the strategy's quota.
        RateLimit = 30 as "RATE_LIMIT",
        /// The strategy has been lost or replaced.
        StrategyLost = 31 as "STRATEGY_LOST",
        /// The engine is stopping.
        Stopping = 32 as "STOPPING",
        /// Not built in this version; the message of the document says what to use instead.
        NotImplemented = 33 as "NOT_IMPLEMENTED",
        /// The request was never taken: the engine died first.
        NotTaken = 34 as "NOT_TAKEN",
        /// A commanded change that changes nothing.
        NothingToChange = 35 as "NOTHING_TO_CHANGE",
        /// The worst-case position would pass `risk.max_long` or `risk.max_short`.
        RiskPosition = 36 as "RISK_POSITION",
        /// Above `risk.max_orders_per_s` of the strategy.
        RiskOrderRate = 37 as "RISK_ORDER_RATE",
        /// The table of executions has no room for what a new order could bring.
        ExecutionsFull = 38 as "EXECUTIONS_FULL",
        /// As many orders wait for the disk as may; only with `journal.mode = "strict"`.
        SyncBacklog = 50 as "SYNC_BACKLOG",
        /// What is not on the disk yet is older than `journal.max_loss_window_ms`.
        LossWindow = 51 as "LOSS_WINDOW",
        /// A sync of the journal failed: no new orders in this run.
        JournalFailed = 52 as "JOURNAL_FAILED",
        /// The reduce-only latch is closed, and the order could make the position larger.
        RiskReduceOnly = 39 as "RISK_REDUCE_ONLY",
        /// The venue's position is not ours, and the instrument halts on that
        /// (`halt_on_recon_break`).
        ReconBreak = 60 as "RECON_BREAK",
    }
}
