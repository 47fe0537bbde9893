//! A hook that sees every order command before the venue acts on it.
//!
//! The engine promises that no command reaches a wire before its intent is in the journal; an
//! implementor of [`CommandWitness`] reads that journal and tells whether the promise was kept.
//! Must not know: the engine.

/// How a command reached the venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// WebSocket operation.
    WebSocket,
    /// REST request.
    Rest,
}

/// One leg of a received order operation, as written by the client.
#[derive(Clone, Copy, Debug)]
pub struct ReceivedCommand<'a> {
    /// API key that sent it.
    pub api_key: &'a str,
    /// Transport it came by.
    pub transport: Transport,
    /// WebSocket `op` (`order`, `batch-orders`, `cancel-order`, …), also for REST twins.
    pub operation: &'a str,
    /// Request `id`; empty on REST.
    pub request_id: &'a str,
    /// Position of this leg in the batch, from 0.
    pub leg: usize,
    /// `clOrdId`, or empty.
    pub client_order_id: &'a str,
    /// `ordId`, or empty.
    pub venue_order_id: &'a str,
    /// Instrument as resolved: its `instId`, or empty when unknown.
    pub instrument: &'a str,
    /// `instIdCode` as sent.
    pub instrument_code: Option<i64>,
    /// `side`, or empty.
    pub side: &'a str,
    /// `px` or `newPx`, or empty.
    pub price: &'a str,
    /// `sz` or `newSz`, or empty.
    pub quantity: &'a str,
    /// `reqId` of an amendment, or empty.
    pub amend_request_id: &'a str,
    /// The whole frame or body.
    pub raw: &'a str,
}

/// What the witness says about a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WitnessVerdict {
    /// Its intent was in the journal already.
    Witnessed,
    /// No intent was found; the text says what was looked for.
    Missing(String),
    /// Not a command this witness judges (a foreign client's).
    NotJudged,
}

/// Judges commands. Called on the connection's task, before the venue acts, without venue locks
/// held.
pub trait CommandWitness: Send + Sync {
    /// Looks for the intent of one command.
    fn check(&self, command: &ReceivedCommand<'_>) -> WitnessVerdict;
}
