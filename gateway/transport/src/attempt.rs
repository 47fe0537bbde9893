//! One connection attempt: name, TCP, TLS, upgrade, each with its deadline.
//!
//! Invariants: `advance` never blocks and may be called at any time; an attempt ends exactly once;
//! a trust failure is never tried again at another address. Must not know: rings, what a link is
//! for. Threads: the connector's.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

use crate::connector::{
    ConnectFailed, ConnectOrder, ConnectOutcome, ConnectTimings, LinkUse, ReadyLink,
};
use crate::error::{
    ConnectError, ConnectErrorKind, ConnectPhase, ErrorText, LinkEnd, SetupError, TlsFault,
};
use crate::link::{FlushState, Link, ReadOutcome};
use crate::tcp::{begin_connect, is_connected};
use crate::tls::{HandshakeProgress, drive_handshake};
use crate::websocket_upgrade::{Upgrade, UpgradeProgress};

/// Plaintext read at a time while the answer to the upgrade is awaited.
const UPGRADE_READ_BYTES: usize = 4_096;

/// Where an attempt is. `Ended` also stands in while a stage is being replaced.
enum Stage {
    Resolving,
    Connecting(TcpStream),
    Securing(TcpStream, Box<ClientConnection>),
    Upgrading(Box<Link>, Box<Upgrade>),
    Ended,
}

/// What one step led to.
enum Step {
    Wait(Stage),
    Next(Stage),
    Ready(Box<Link>),
}

type StepResult = Result<Step, SetupError>;

/// An attempt under way.
pub(crate) struct Attempt {
    order: ConnectOrder,
    token: Token,
    config: Arc<ClientConfig>,
    addresses: Vec<SocketAddr>,
    next_address: usize,
    stage: Stage,
    begun_at: Instant,
    stage_begun_at: Instant,
    stage_ends_at: Instant,
    timings: ConnectTimings,
}

impl Attempt {
    /// Begins with the name look-up, which the caller starts.
    pub(crate) fn begin(
        order: ConnectOrder,
        token: Token,
        config: Arc<ClientConfig>,
        now: Instant,
    ) -> Self {
        let stage_ends_at = now + order.deadlines.dns.min(order.deadlines.total);
        Self {
            order,
            token,
            config,
            addresses: Vec::new(),
            next_address: 0,
            stage: Stage::Resolving,
            begun_at: now,
            stage_begun_at: now,
            stage_ends_at,
            timings: ConnectTimings::default(),
        }
    }

    /// When the attempt fails if nothing happens.
    pub(crate) fn ends_at(&self) -> Instant {
        self.stage_ends_at
            .min(self.begun_at + self.order.deadlines.total)
    }

    /// Takes the answer of the name service.
    pub(crate) fn resolved(
        &mut self,
        result: Result<Vec<SocketAddr>, SetupError>,
        registry: &Registry,
        now: Instant,
    ) -> Option<ConnectOutcome> {
        if !matches!(self.stage, Stage::Resolving) {
            return None;
        }
        self.timings.dns = now - self.stage_begun_at;
        match result {
            Ok(addresses) => {
                self.addresses = addresses;
                self.stage_begun_at = now;
                let why = SetupError::new(ConnectErrorKind::TcpFailed, "no address");
                self.try_next_address(why, registry, now)
                    .map(|why| self.fail(&why))
            }
            Err(why) => Some(self.fail(&why)),
        }
    }

    /// Goes as far as the socket lets it; gives the result once.
    pub(crate) fn advance(&mut self, registry: &Registry) -> Option<ConnectOutcome> {
        loop {
            let now = Instant::now();
            let total_is_over = now >= self.begun_at + self.order.deadlines.total;
            let is_connecting = matches!(self.stage, Stage::Connecting(_));
            let step = match std::mem::replace(&mut self.stage, Stage::Ended) {
                Stage::Resolving => Ok(Step::Wait(Stage::Resolving)),
                Stage::Connecting(socket) => self.connect(socket, now),
                Stage::Securing(socket, tls) => self.secure(socket, tls, now),
                Stage::Upgrading(link, upgrade) => self.upgrade(link, upgrade, now),
                Stage::Ended => return None,
            };
            match step {
                // A peer that is never silent is no way round the deadline.
                Ok(Step::Next(stage)) if total_is_over => {
                    let why = SetupError::new(timed_out(&stage), self.waited(now));
                    return Some(self.fail(&why));
                }
                Ok(Step::Next(stage)) => self.stage = stage,
                Ok(Step::Ready(link)) => return Some(self.finish(*link, registry, now)),
                Ok(Step::Wait(stage)) => {
                    if now < self.ends_at() {
                        self.stage = stage;
                        return None;
                    }
                    let why = SetupError::new(timed_out(&stage), self.waited(now));
                    if !is_connecting || total_is_over {
                        return Some(self.fail(&why));
                    }
                    if let Some(why) = self.try_next_address(why, registry, now) {
                        return Some(self.fail(&why));
                    }
                }
                Err(why) if is_connecting && why.kind.phase() == ConnectPhase::Tcp => {
                    if let Some(why) = self.try_next_address(why, registry, now) {
                        return Some(self.fail(&why));
                    }
                }
                Err(why) => return Some(self.fail(&why)),
            }
        }
    }

    /// Begins with the next address; gives the reason of the failure when there is none left.
    fn try_next_address(
        &mut self,
        mut why: SetupError,
        registry: &Registry,
        now: Instant,
    ) -> Option<SetupError> {
        while let Some(address) = self.addresses.get(self.next_address).copied() {
            self.next_address += 1;
            let begun = begin_connect(address).and_then(|mut socket| {
                let both = Interest::READABLE | Interest::WRITABLE;
                registry
                    .register(&mut socket, self.token, both)
                    .map(|()| socket)
            });
            match begun {
                Ok(socket) => {
                    self.stage = Stage::Connecting(socket);
                    self.stage_ends_at = now + self.order.deadlines.tcp;
                    return None;
                }
                Err(error) => why = tcp_failure(&error),
            }
        }
        Some(why)
    }

    /// Looks whether TCP is there; then TLS begins.
    fn connect(&mut self, socket: TcpStream, now: Instant) -> StepResult {
        match is_connected(&socket) {
            Ok(false) => return Ok(Step::Wait(Stage::Connecting(socket))),
            Err(error) => return Err(tcp_failure(&error)),
            Ok(true) => {}
        }
        self.timings.tcp = self.next_stage(self.order.deadlines.tls, now);
        let name = ServerName::try_from(self.order.endpoint.tls_name.clone())
            .map_err(|error| SetupError::new(ConnectErrorKind::TlsNameInvalid, error))?;
        let tls = ClientConnection::new(Arc::clone(&self.config), name)
            .map_err(|error| SetupError::new(ConnectErrorKind::TlsFailed, error))?;
        Ok(Step::Next(Stage::Securing(socket, Box::new(tls))))
    }

    /// Drives the TLS handshake; then the upgrade begins, if one is wanted.
    fn secure(
        &mut self,
        mut socket: TcpStream,
        mut tls: Box<ClientConnection>,
        now: Instant,
    ) -> StepResult {
        match drive_handshake(&mut tls, &mut socket) {
            Ok(HandshakeProgress::WouldBlock) => {
                return Ok(Step::Wait(Stage::Securing(socket, tls)));
            }
            Err(failed) => return Err(failed),
            Ok(HandshakeProgress::Done) => {}
        }
        self.timings.tls = self.next_stage(self.order.deadlines.upgrade, now);
        let mut link = Box::new(Link::new(socket, *tls));
        let endpoint = &self.order.endpoint;
        let LinkUse::WebSocket { path } = &endpoint.link_use else {
            return Ok(Step::Ready(link));
        };
        let (upgrade, request) = Upgrade::begin(&endpoint.host, endpoint.port, path)?;
        link.write_plaintext(&request)
            .map_err(|error| SetupError::new(ConnectErrorKind::UpgradeRequestInvalid, error))?;
        Ok(Step::Next(Stage::Upgrading(link, Box::new(upgrade))))
    }

    /// Sends the request and reads the answer.
    fn upgrade(
        &mut self,
        mut link: Box<Link>,
        mut upgrade: Box<Upgrade>,
        now: Instant,
    ) -> StepResult {
        if let FlushState::Ended(end) = link.flush() {
            return Err(upgrade_end(end));
        }
        let mut space = [0; UPGRADE_READ_BYTES];
        let bytes = match link.read_plaintext(&mut space) {
            ReadOutcome::Bytes(bytes) => bytes,
            ReadOutcome::WouldBlock => return Ok(Step::Wait(Stage::Upgrading(link, upgrade))),
            ReadOutcome::Ended(end) => return Err(upgrade_end(end)),
        };
        match upgrade.receive(&space[..bytes])? {
            UpgradeProgress::NeedMore => Ok(Step::Next(Stage::Upgrading(link, upgrade))),
            UpgradeProgress::Done { early } => {
                self.timings.upgrade = now - self.stage_begun_at;
                link.set_early(early);
                Ok(Step::Ready(link))
            }
        }
    }

    /// Takes the time of the stage that ended and sets the deadline of the one that begins.
    fn next_stage(&mut self, deadline: Duration, now: Instant) -> Duration {
        let took = now - self.stage_begun_at;
        self.stage_begun_at = now;
        self.stage_ends_at = now + deadline;
        took
    }

    /// Takes the link off our poll and hands it out.
    fn finish(&mut self, mut link: Link, registry: &Registry, now: Instant) -> ConnectOutcome {
        if let Err(error) = registry.deregister(link.stream_mut()) {
            return self.fail(&SetupError::new(ConnectErrorKind::TcpFailed, error));
        }
        self.timings.total = now - self.begun_at;
        ConnectOutcome::Ready(ReadyLink {
            link_id: self.order.link_id,
            attempt: self.order.attempt,
            peer_address: link.stream().peer_addr().ok(),
            timings: self.timings,
            link,
        })
    }

    fn fail(&mut self, why: &SetupError) -> ConnectOutcome {
        self.stage = Stage::Ended;
        let tried = self
            .next_address
            .checked_sub(1)
            .and_then(|at| self.addresses.get(at));
        failed_outcome(&self.order, tried, why)
    }

    fn waited(&self, now: Instant) -> String {
        let (stage, total) = (now - self.stage_begun_at, now - self.begun_at);
        format!("no answer in {stage:.1?}, {total:.1?} since the beginning")
    }
}

/// The outcome of an attempt that failed, at `tried` if it came that far.
pub(crate) fn failed_outcome(
    order: &ConnectOrder,
    tried: Option<&SocketAddr>,
    why: &SetupError,
) -> ConnectOutcome {
    let (host, port) = (&order.endpoint.host, order.endpoint.port);
    let address = match tried {
        Some(tried) => ErrorText::new(format_args!("{host}:{port} ({tried})")),
        None => ErrorText::new(format_args!("{host}:{port}")),
    };
    let error = ConnectError {
        kind: why.kind,
        address,
        detail: ErrorText::new(&why.detail),
    };
    ConnectOutcome::Failed(ConnectFailed {
        link_id: order.link_id,
        attempt: order.attempt,
        error,
    })
}

fn timed_out(stage: &Stage) -> ConnectErrorKind {
    match stage {
        Stage::Resolving => ConnectErrorKind::NameLookupTimedOut,
        Stage::Connecting(_) => ConnectErrorKind::TcpTimedOut,
        Stage::Securing(..) => ConnectErrorKind::TlsTimedOut,
        Stage::Upgrading(..) | Stage::Ended => ConnectErrorKind::UpgradeTimedOut,
    }
}

fn tcp_failure(error: &io::Error) -> SetupError {
    let kind = match error.kind() {
        io::ErrorKind::ConnectionRefused => ConnectErrorKind::TcpRefused,
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
            ConnectErrorKind::TcpUnreachable
        }
        io::ErrorKind::TimedOut => ConnectErrorKind::TcpTimedOut,
        _ => ConnectErrorKind::TcpFailed,
    };
    SetupError::new(kind, error)
}

/// A link that ends before the answer. In TLS 1.3 the server's refusal of the handshake can arrive
/// only now.
fn upgrade_end(end: LinkEnd) -> SetupError {
    let kind = match end {
        LinkEnd::Tls(TlsFault::AlertReceived) => ConnectErrorKind::TlsAlertReceived,
        LinkEnd::Tls(_) => ConnectErrorKind::TlsFailed,
        LinkEnd::ClosedByPeer { .. }
        | LinkEnd::ClosedByUs
        | LinkEnd::Socket(_)
        | LinkEnd::Killed => ConnectErrorKind::UpgradeClosed,
    };
    SetupError::new(kind, end)
}

#[cfg(test)]
mod tests;
