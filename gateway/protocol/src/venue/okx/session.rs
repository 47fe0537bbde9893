//! One OKX private connection: login, subscriptions, keep-alive, and what to do with each frame.
//!
//! Invariants: nothing is subscribed before the login is acknowledged, nothing is `Ready` before
//! every subscription is; a closing session reads nothing more; frames are masked before anything
//! sees them. Memory is fixed when the session is made. Must not know: sockets, orders, reconnects.
//! Threads: none; belongs to the thread that drives its link.

use model::time::{MonotonicNs, NS_PER_S, UnixNs};
use model::{VenueReport, identifiers::VenueMessage};

use crate::frame::{FrameKind, MAX_CONTROL_BYTES, encode_close_payload};
use crate::secret_mask::SecretMask;
use crate::session::{
    CloseReason, FrameVerdict, MaskedFrame, SessionEvent, SessionState, Transmit,
};
use crate::venue::okx::credentials::{Credentials, SIGNATURE_BYTES};
use crate::venue::okx::decode::{Channel, DecodedFrame, OkxDecoder, SessionMessage};
use crate::venue::okx::instrument_table::InstrumentTable;
use crate::venue::okx::login::{ChannelTerms, encode_login, encode_subscribe};
use crate::venue::okx::stated_balances::StatedBalances;

/// How long a session waits. The venue drops a connection after 30 s without a push
/// (okx.com/docs-v5, "WebSocket / Connect"), so quiet and answer together stay below that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionTimes {
    /// From the start to the login's answer, and again to the last subscription's.
    pub step_ns: u64,
    /// Without anything heard for this long we send the text `ping`.
    pub quiet_ns: u64,
    /// Without anything heard for this long after a `ping` the link is dead.
    pub answer_ns: u64,
}

impl Default for SessionTimes {
    fn default() -> Self {
        Self {
            step_ns: 10 * NS_PER_S,
            quiet_ns: 20 * NS_PER_S,
            answer_ns: 5 * NS_PER_S,
        }
    }
}

/// The subscriptions of every session, one bit each in `acknowledged`.
const CHANNELS: [(Channel, ChannelTerms<'static>); 3] = [
    (Channel::Orders, any_instrument("orders", None)),
    (Channel::Account, everything("account", Some(EVENTS_ONLY))),
    (
        Channel::Positions,
        any_instrument("positions", Some(EVENTS_ONLY)),
    ),
];
/// No pushes at intervals but the first one: they say again what is known, some kilobytes every
/// five seconds, each an entry of the journal. The query side asks for whole lists instead.
const EVENTS_ONLY: &str = "{\"updateInterval\":\"0\"}";
/// All bits of [`CHANNELS`].
const ALL_ACKNOWLEDGED: u8 = 0b111;
/// Request id of our subscription.
const SUBSCRIBE_ID: &str = "s1";
/// Code of the notice of a service upgrade, 60 s before it.
const SERVICE_UPGRADE: u32 = 64_008;
/// Codes that end a session which had logged in.
const LOGIN_LOST: &[u32] = &[60_011, 60_032];
/// Close codes that mean the key: 4001 login failed, 4007 key changed or deleted.
const KEY_CLOSED: &[u16] = &[4_001, 4_007];

const fn any_instrument(
    channel: &'static str,
    extra_params: Option<&'static str>,
) -> ChannelTerms<'static> {
    ChannelTerms {
        channel,
        inst_type: Some("ANY"),
        inst_id: None,
        extra_params,
    }
}

const fn everything(
    channel: &'static str,
    extra_params: Option<&'static str>,
) -> ChannelTerms<'static> {
    ChannelTerms {
        channel,
        inst_type: None,
        inst_id: None,
        extra_params,
    }
}

/// What is to be sent next.
#[derive(Default)]
struct Due {
    login: bool,
    subscribe: bool,
    ping: bool,
    pong: Option<([u8; MAX_CONTROL_BYTES], usize)>,
    close: bool,
}

/// The state machine of one connection.
pub struct OkxSession {
    credentials: Credentials,
    mask: SecretMask,
    signature: [u8; SIGNATURE_BYTES],
    times: SessionTimes,
    state: SessionState,
    /// One bit for each of [`CHANNELS`].
    acknowledged: u8,
    due: Due,
    /// When the login or the subscriptions must have been answered.
    step_deadline: MonotonicNs,
    last_heard: MonotonicNs,
    /// When our `ping` was handed out; `None` while none is unanswered.
    pinged_at: Option<MonotonicNs>,
    last_error: VenueMessage,
    stated: StatedBalances,
}

impl OkxSession {
    /// A session for a connection that was just upgraded.
    pub fn new(credentials: Credentials, times: SessionTimes, now: MonotonicNs) -> Self {
        let mask = credentials.mask();
        Self {
            credentials,
            mask,
            signature: [0; SIGNATURE_BYTES],
            times,
            state: SessionState::LoggingIn,
            acknowledged: 0,
            due: Due {
                login: true,
                ..Due::default()
            },
            step_deadline: now.after_ns(times.step_ns),
            last_heard: now,
            pinged_at: None,
            last_error: VenueMessage::EMPTY,
            stated: StatedBalances::default(),
        }
    }

    /// Where the session stands.
    pub fn state(&self) -> SessionState {
        self.state
    }

    /// The venue's words in its last error event, masked and cut; empty while there was none.
    pub fn last_error(&self) -> VenueMessage {
        self.last_error
    }

    /// Ends the session; `poll_transmit` then gives the close frame.
    pub fn close(&mut self, reason: CloseReason) {
        if !matches!(self.state, SessionState::Closing { .. }) {
            self.state = SessionState::Closing { reason };
            self.due = Due {
                close: true,
                ..Due::default()
            };
        }
    }

    /// Masks known secrets in a received frame, in place. The only way to [`Self::handle_frame`].
    ///
    /// Channel pushes after the login are passed over: they quote nothing that we sent.
    pub fn mask<'a>(&self, kind: FrameKind, payload: &'a mut [u8]) -> MaskedFrame<'a> {
        let logged_in = matches!(self.state, SessionState::Subscribing | SessionState::Ready);
        if !(logged_in && payload.starts_with(b"{\"arg\":")) {
            self.mask.apply(payload, &self.signature);
        }
        MaskedFrame::new(kind, payload)
    }

    /// Takes a frame. `reports` is emptied and then filled with what is for the engine.
    pub fn handle_frame(
        &mut self,
        now: MonotonicNs,
        frame: MaskedFrame<'_>,
        decoder: &mut OkxDecoder,
        table: &InstrumentTable,
        reports: &mut Vec<VenueReport>,
    ) -> FrameVerdict {
        reports.clear();
        if let SessionState::Closing { reason } = self.state {
            return FrameVerdict::Close(reason);
        }
        self.last_heard = now;
        self.pinged_at = None;
        self.due.ping = false;
        let (kind, payload) = frame.into_parts();
        match kind {
            FrameKind::Text => match decoder.decode(payload, table, reports) {
                DecodedFrame::Engine if self.stated.is_repetition(reports) => {
                    reports.clear();
                    FrameVerdict::Consumed(SessionEvent::Data)
                }
                DecodedFrame::Engine => FrameVerdict::ForEngine,
                DecodedFrame::Session(message) => {
                    let verdict = self.handle_message(now, message);
                    match verdict {
                        FrameVerdict::Consumed(_) if !reports.is_empty() => FrameVerdict::ForEngine,
                        _ => verdict,
                    }
                }
            },
            FrameKind::Ping => {
                let mut pong = [0; MAX_CONTROL_BYTES];
                let length = payload.len().min(MAX_CONTROL_BYTES);
                pong[..length].copy_from_slice(&payload[..length]);
                self.due.pong = Some((pong, length));
                FrameVerdict::Consumed(SessionEvent::Nothing)
            }
            FrameKind::Pong => FrameVerdict::Consumed(SessionEvent::Nothing),
            FrameKind::Close => {
                let code = match payload {
                    [high, low, ..] => u16::from_be_bytes([*high, *low]),
                    _ => 0,
                };
                if KEY_CLOSED.contains(&code) {
                    let code = u32::from(code);
                    self.end(CloseReason::LoginRefused { code })
                } else {
                    self.end(CloseReason::PeerClosed { code })
                }
            }
            FrameKind::Binary => self.end(CloseReason::ProtocolError),
        }
    }

    /// Ends the session when a deadline has passed; says why, or `None` while all is well.
    pub fn handle_timeout(&mut self, now: MonotonicNs) -> Option<CloseReason> {
        let step = matches!(
            self.state,
            SessionState::LoggingIn | SessionState::Subscribing
        );
        if step && now >= self.step_deadline {
            self.close(CloseReason::Silent);
        } else if let Some(pinged_at) = self.pinged_at {
            if now >= pinged_at.after_ns(self.times.answer_ns) {
                self.close(CloseReason::Silent);
            }
        } else if self.state == SessionState::Ready
            && now >= self.last_heard.after_ns(self.times.quiet_ns)
        {
            self.due.ping = true;
        }
        match self.state {
            SessionState::Closing { reason } => Some(reason),
            _ => None,
        }
    }

    /// When [`Self::handle_timeout`] has something to do; [`MonotonicNs::NEVER`] when closing.
    pub fn poll_timeout(&self) -> MonotonicNs {
        match (self.state, self.pinged_at) {
            (SessionState::Closing { .. }, _) => MonotonicNs::NEVER,
            (SessionState::LoggingIn | SessionState::Subscribing, _) => self.step_deadline,
            (SessionState::Ready, Some(pinged_at)) => pinged_at.after_ns(self.times.answer_ns),
            (SessionState::Ready, None) => self.last_heard.after_ns(self.times.quiet_ns),
        }
    }

    /// Writes the next payload to send into `out` ([`MAX_SESSION_MESSAGE_BYTES`] are enough).
    ///
    /// `utc` is what the login signs: the venue's clock as well as it is known.
    ///
    /// # Panics
    /// If `out` is shorter than that.
    ///
    /// [`MAX_SESSION_MESSAGE_BYTES`]: crate::venue::okx::login::MAX_SESSION_MESSAGE_BYTES
    pub fn poll_transmit(
        &mut self,
        now: MonotonicNs,
        utc: UnixNs,
        out: &mut [u8],
    ) -> Option<Transmit> {
        let fits = "the buffer has MAX_SESSION_MESSAGE_BYTES";
        let text = |length_bytes| Transmit {
            kind: FrameKind::Text,
            length_bytes,
        };
        if core::mem::take(&mut self.due.close) {
            let SessionState::Closing { reason } = self.state else {
                return None;
            };
            let mut close = [0; MAX_CONTROL_BYTES];
            let length_bytes = encode_close_payload(reason.close_code(), "", &mut close);
            out[..length_bytes].copy_from_slice(&close[..length_bytes]);
            return Some(Transmit {
                kind: FrameKind::Close,
                length_bytes,
            });
        }
        if let Some((payload, length_bytes)) = self.due.pong.take() {
            out[..length_bytes].copy_from_slice(&payload[..length_bytes]);
            return Some(Transmit {
                kind: FrameKind::Pong,
                length_bytes,
            });
        }
        if core::mem::take(&mut self.due.login) {
            let (length, signature) = encode_login(out, &self.credentials, utc).expect(fits);
            self.signature = signature;
            return Some(text(length));
        }
        if core::mem::take(&mut self.due.subscribe) {
            let channels = CHANNELS.map(|(_, terms)| terms);
            return Some(text(
                encode_subscribe(out, SUBSCRIBE_ID, &channels).expect(fits),
            ));
        }
        if core::mem::take(&mut self.due.ping) {
            out[..PING.len()].copy_from_slice(PING);
            self.pinged_at = Some(now);
            return Some(text(PING.len()));
        }
        None
    }

    fn handle_message(&mut self, now: MonotonicNs, message: SessionMessage) -> FrameVerdict {
        let nothing = FrameVerdict::Consumed(SessionEvent::Nothing);
        match message {
            SessionMessage::Pong => nothing,
            SessionMessage::Login { code: 0 } => self.logged_in(now),
            SessionMessage::Login { code } => self.end(CloseReason::LoginRefused { code }),
            SessionMessage::Subscribed(channel) => self.subscribed(channel),
            SessionMessage::Unsubscribed(channel) if is_ours(channel) => {
                self.end(CloseReason::SubscriptionRefused { code: 0 })
            }
            SessionMessage::ConnectionCount {
                channel,
                over_limit: true,
            } if is_ours(channel) => self.end(CloseReason::SubscriptionRefused { code: 0 }),
            SessionMessage::Unsubscribed(_) | SessionMessage::ConnectionCount { .. } => nothing,
            SessionMessage::Notice {
                code: SERVICE_UPGRADE,
            } => FrameVerdict::Consumed(SessionEvent::ServiceUpgrade),
            SessionMessage::Notice { .. } => nothing,
            SessionMessage::Data(_) => FrameVerdict::Consumed(SessionEvent::Data),
            SessionMessage::Error { code, message } => {
                self.last_error = message;
                match self.state {
                    SessionState::LoggingIn => self.end(CloseReason::LoginRefused { code }),
                    SessionState::Subscribing => {
                        self.end(CloseReason::SubscriptionRefused { code })
                    }
                    SessionState::Ready if LOGIN_LOST.contains(&code) => {
                        self.end(CloseReason::LoginLost { code })
                    }
                    SessionState::Ready | SessionState::Closing { .. } => {
                        FrameVerdict::Consumed(SessionEvent::VenueError { code })
                    }
                }
            }
        }
    }

    fn logged_in(&mut self, now: MonotonicNs) -> FrameVerdict {
        if self.state != SessionState::LoggingIn || self.due.login {
            // An answer to a login that we did not send.
            return self.end(CloseReason::ProtocolError);
        }
        self.state = SessionState::Subscribing;
        self.step_deadline = now.after_ns(self.times.step_ns);
        self.due.subscribe = true;
        FrameVerdict::Consumed(SessionEvent::LoggedIn)
    }

    fn subscribed(&mut self, channel: Channel) -> FrameVerdict {
        for (bit, (known, _)) in CHANNELS.iter().enumerate() {
            if *known == channel {
                self.acknowledged |= 1 << bit;
            }
        }
        let all = self.acknowledged == ALL_ACKNOWLEDGED;
        if all && self.state == SessionState::Subscribing {
            self.state = SessionState::Ready;
            return FrameVerdict::Consumed(SessionEvent::Ready);
        }
        FrameVerdict::Consumed(SessionEvent::Nothing)
    }

    fn end(&mut self, reason: CloseReason) -> FrameVerdict {
        self.close(reason);
        FrameVerdict::Close(reason)
    }
}

/// The keep-alive text.
const PING: &[u8] = b"ping";

fn is_ours(channel: Channel) -> bool {
    CHANNELS.iter().any(|(known, _)| *known == channel)
}
