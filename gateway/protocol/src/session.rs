//! What every venue session says and is: states, verdicts on frames, reasons to close.
//!
//! A session is one connection's state machine without IO. The caller drives it: `mask` then
//! `handle_frame` for each frame received, `handle_timeout` when `poll_timeout` has passed,
//! `poll_transmit` until it gives `None` after each of these. Reconnecting and its back-off are the
//! caller's: a session serves one connection and is then dropped. Threads: none.

use model::input::LinkReason;

use crate::frame::FrameKind;

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionState {
    /// The login is to be sent or has no answer yet.
    LoggingIn,
    /// Logged in; subscriptions have no answer yet.
    Subscribing,
    /// Orders can be sent and will be heard of.
    Ready,
    /// Nothing more is sent or read.
    Closing {
        /// Why.
        reason: CloseReason,
    },
}

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// The venue refused the login.
    LoginRefused {
        /// The venue's code.
        code: u32,
    },
    /// The venue refused a subscription, or let it die.
    SubscriptionRefused {
        /// The venue's code; 0 = none.
        code: u32,
    },
    /// The venue no longer counts us as logged in.
    LoginLost {
        /// The venue's code.
        code: u32,
    },
    /// Nothing was heard for too long.
    Silent,
    /// The venue closed.
    PeerClosed {
        /// The close code; 0 = none.
        code: u16,
    },
    /// The venue sent what the protocol does not have.
    ProtocolError,
    /// We stop.
    Stopping,
}

impl CloseReason {
    /// The word of the journal.
    pub const fn link_reason(self) -> LinkReason {
        match self {
            Self::LoginRefused { .. } | Self::LoginLost { .. } => LinkReason::LoginRefused,
            Self::SubscriptionRefused { .. } | Self::ProtocolError => LinkReason::ProtocolError,
            Self::Silent => LinkReason::Silent,
            Self::PeerClosed { .. } => LinkReason::PeerClosed,
            Self::Stopping => LinkReason::Stopping,
        }
    }

    /// The status code of our close frame (RFC 6455, 7.4.1).
    pub const fn close_code(self) -> u16 {
        match self {
            Self::ProtocolError => 1002,
            Self::LoginRefused { .. }
            | Self::SubscriptionRefused { .. }
            | Self::LoginLost { .. }
            | Self::Silent
            | Self::PeerClosed { .. }
            | Self::Stopping => 1000,
        }
    }
}

/// What a frame meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameVerdict {
    /// The session took it whole; it is no input of the engine and is not journaled.
    Consumed(SessionEvent),
    /// The reports are in the list: journal the masked bytes with them.
    ForEngine,
    /// The connection ends; send what `poll_transmit` still gives, then close. Reports of the frame
    /// are in the list if there are any, and are then an input before the link's end is one.
    Close(CloseReason),
}

/// What the session learned from a frame that it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionEvent {
    /// Nothing that the caller must act on.
    Nothing,
    /// The login was accepted.
    LoggedIn,
    /// Every subscription is in force: the link is up.
    Ready,
    /// The venue will close this connection soon: open the next one first.
    ServiceUpgrade,
    /// A push of a channel that the engine does not need in this version.
    Data,
    /// The venue reported an error that belongs to no command.
    VenueError {
        /// The venue's code.
        code: u32,
    },
}

/// One frame to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transmit {
    /// Its kind.
    pub kind: FrameKind,
    /// Bytes of its payload at the start of the caller's buffer.
    pub length_bytes: usize,
}

/// A received frame without secrets; only a session makes one.
pub struct MaskedFrame<'a> {
    kind: FrameKind,
    payload: &'a mut [u8],
}

impl<'a> MaskedFrame<'a> {
    pub(crate) fn new(kind: FrameKind, payload: &'a mut [u8]) -> Self {
        Self { kind, payload }
    }

    /// What the frame is.
    pub fn kind(&self) -> FrameKind {
        self.kind
    }

    /// The masked bytes, as they are journaled. Copy them before the frame is handled: decoding
    /// rewrites them.
    pub fn bytes(&self) -> &[u8] {
        self.payload
    }

    pub(crate) fn into_parts(self) -> (FrameKind, &'a mut [u8]) {
        (self.kind, self.payload)
    }
}
