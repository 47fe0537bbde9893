//! Everything that can change a decision: the engine's closed list of inputs.
//!
//! Room and link verdicts are taken before the engine runs and enter as part of the input
//! (`Admission`), so the engine needs nothing but its inputs, and neither does a replay of them.

pub use crate::control::Control;
use crate::execution_report::VenueReport;
use crate::identifiers::{BootEpoch, LinkId, RequestId, StrategyId, VenueId};
use crate::instrument::Instrument;
use crate::order_request::Request;
use crate::recon_fact::ReconFact;
use crate::reject_reason::RejectReason;
use crate::time::{MonotonicNs, UtcAnchor};
use crate::{EngineConfig, canonical_enum, canonical_struct};

canonical_enum! {
    /// Kinds of journal entries. Inputs first; the numbers never change.
    pub enum EntryKind {
        /// A strategy's request.
        Request = 1 as "Request",
        /// A frame from a venue.
        VenueFrame = 2 as "VenueFrame",
        /// A connection came up or went down.
        LinkChanged = 3 as "LinkChanged",
        /// A deadline of the engine passed.
        Timer = 4 as "Timer",
        /// An operator's act.
        Control = 5 as "Control",
        /// A configuration came into force.
        ConfigApplied = 6 as "ConfigApplied",
        /// An instrument's rules came into force.
        InstrumentApplied = 7 as "InstrumentApplied",
        /// A fact from a query.
        ReconFact = 8 as "ReconFact",
        /// Reserved: an answer about an order that left the store.
        LookupAnswer = 9 as "LookupAnswer",
        /// Reserved: a slow signature is there.
        SignatureDone = 10 as "SignatureDone",
        /// A strategy attached.
        StrategyAttached = 11 as "StrategyAttached",
        /// A strategy is gone.
        StrategyLost = 12 as "StrategyLost",
        /// Which UTC moment a monotonic moment is.
        UtcAnchor = 13 as "UtcAnchor",
        /// A run of requests was refused for lack of room.
        RoomRefused = 14 as "RoomRefused",
        /// An intent of which no byte entered TLS.
        NotSent = 15 as "NotSent",
        /// Reserved: a price that checks read.
        ReferencePrice = 16 as "ReferencePrice",
        /// A run of the engine began.
        RecoveryStarted = 18 as "RecoveryStarted",
        /// Not an input: when intents were written to their sockets.
        Sent = 64 as "Sent",
        /// Not an input: the running hashes at this place.
        Checkpoint = 65 as "Checkpoint",
    }
}

/// Whether the daemon had room and a link for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// There is room for everything that the request can cause.
    Granted,
    /// There is not; the engine refuses with this reason.
    Refused(RejectReason),
}

canonical_enum! {
    /// Whether a connection can carry commands.
    pub enum LinkState {
        /// Logged in and subscribed.
        Up = 1 as "up",
        /// Gone; whatever was in flight on it is not known.
        Down = 2 as "down",
    }
}

canonical_enum! {
    /// Why a connection changed.
    pub enum LinkReason {
        /// Login and subscriptions were answered.
        Ready = 1 as "ready",
        /// The peer closed it.
        PeerClosed = 2 as "peer_closed",
        /// Reading or writing failed.
        IoError = 3 as "io_error",
        /// Nothing was heard for too long.
        Silent = 4 as "silent",
        /// The peer broke the protocol.
        ProtocolError = 5 as "protocol_error",
        /// The venue refused the login.
        LoginRefused = 6 as "login_refused",
        /// The venue announced that it will close.
        ServiceUpgrade = 7 as "service_upgrade",
        /// We are stopping.
        Stopping = 8 as "stopping",
        /// More than the backlog was waiting to be written.
        Backlog = 9 as "backlog",
        /// What was sealed before a kill did not leave in time: it was cut.
        Killed = 10 as "killed",
    }
}

canonical_struct! {
    /// A connection came up or went down.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct LinkChanged {
        /// The venue.
        pub venue: VenueId,
        /// The connection.
        pub link: LinkId,
        /// What it is now.
        pub state: LinkState,
        /// Why.
        pub reason: LinkReason,
    }
}

canonical_enum! {
    /// Why a strategy is gone.
    pub enum LossReason {
        /// Its socket hung up.
        HungUp = 1 as "hung_up",
        /// It wrote what a correct writer never writes.
        RingCorrupt = 2 as "RING_CORRUPT",
        /// Another process attached in its place.
        Replaced = 3 as "replaced",
        /// It did not read its events.
        EventOverrun = 4 as "event_overrun",
    }
}

canonical_enum! {
    /// Why an intent was not sent.
    pub enum NotSentReason {
        /// Its connection went down first.
        LinkGone = 1 as "link_gone",
        /// It grew too old while it waited.
        TooOld = 2 as "too_old",
        /// The journal failed.
        JournalFailed = 3 as "journal_failed",
        /// The kill latch closed.
        Killed = 4 as "killed",
        /// A cancel of its order came while it waited, or the order ended.
        Withdrawn = 5 as "withdrawn",
        /// The venue is configured as a dry run: nothing is sent to it.
        DryRun = 6 as "DRY_RUN",
    }
}

canonical_struct! {
    /// A run of the engine began.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct RecoveryStarted {
        /// This run's epoch; durable before this entry.
        pub epoch: BootEpoch,
        /// The engine's version, compared before re-execution.
        pub engine_version: u32,
        /// Which UTC moment this run's first monotonic moment is.
        pub anchor: UtcAnchor,
    }
}

/// A strategy's request with the verdict on its room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestInput {
    /// Who asks.
    pub strategy: StrategyId,
    /// The strategy's number for it.
    pub request_id: RequestId,
    /// When the strategy says that it wrote it.
    pub written_at: MonotonicNs,
    /// Whether there is room.
    pub admission: Admission,
    /// What is asked.
    pub request: Request,
}

canonical_struct! {
    /// A run of requests that found no room.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct RoomRefused {
        /// Who asked.
        pub strategy: StrategyId,
        /// First request of the run.
        pub first: RequestId,
        /// Last request of the run.
        pub last: RequestId,
        /// How many.
        pub count: u64,
        /// Why.
        pub reason: RejectReason,
    }
}

/// One input. Frames and reports are borrowed: they stay where they were received and decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input<'a> {
    /// A strategy's request.
    Request(RequestInput),
    /// A frame from a venue.
    VenueFrame {
        /// Who sent it.
        venue: VenueId,
        /// Over which connection.
        link: LinkId,
        /// Its masked bytes, as received.
        raw: &'a [u8],
        /// What it says; a pure function of `raw` and the instrument table.
        reports: &'a [VenueReport],
    },
    /// A connection changed.
    LinkChanged(LinkChanged),
    /// A deadline of the engine passed.
    Timer,
    /// An operator's act.
    Control(Control),
    /// A configuration came into force.
    ConfigApplied(&'a EngineConfig),
    /// An instrument's rules came into force.
    InstrumentApplied(Instrument),
    /// A fact from a query.
    ReconFact(ReconFact),
    /// A strategy attached.
    StrategyAttached {
        /// Who.
        strategy: StrategyId,
        /// The attachment's number.
        generation: u64,
    },
    /// A strategy is gone.
    StrategyLost {
        /// Who.
        strategy: StrategyId,
        /// The attachment's number.
        generation: u64,
        /// Why.
        reason: LossReason,
    },
    /// A new pair of clocks.
    UtcAnchor(UtcAnchor),
    /// A run of requests without room.
    RoomRefused(RoomRefused),
    /// An intent of which no byte entered TLS.
    NotSent {
        /// The intent.
        intent_seq: u64,
        /// Why.
        reason: NotSentReason,
    },
    /// A run began.
    RecoveryStarted(RecoveryStarted),
}

impl Input<'_> {
    /// The kind of the journal entry that holds this input.
    pub const fn kind(&self) -> EntryKind {
        match self {
            Self::Request(_) => EntryKind::Request,
            Self::VenueFrame { .. } => EntryKind::VenueFrame,
            Self::LinkChanged(_) => EntryKind::LinkChanged,
            Self::Timer => EntryKind::Timer,
            Self::Control(_) => EntryKind::Control,
            Self::ConfigApplied(_) => EntryKind::ConfigApplied,
            Self::InstrumentApplied(_) => EntryKind::InstrumentApplied,
            Self::ReconFact(_) => EntryKind::ReconFact,
            Self::StrategyAttached { .. } => EntryKind::StrategyAttached,
            Self::StrategyLost { .. } => EntryKind::StrategyLost,
            Self::UtcAnchor(_) => EntryKind::UtcAnchor,
            Self::RoomRefused(_) => EntryKind::RoomRefused,
            Self::NotSent { .. } => EntryKind::NotSent,
            Self::RecoveryStarted(_) => EntryKind::RecoveryStarted,
        }
    }
}
