//! Servers on real sockets, one connection and one thread each, and the client's side of a test.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use millrun_transport::connector::{
    ConnectDeadlines, ConnectFailed, ConnectOrder, ConnectOutcome, Connector, Endpoint, LinkUse,
    ReadyLink,
};
use millrun_transport::error::LinkEnd;
use millrun_transport::link::{FlushState, Link, ReadOutcome};
use millrun_transport::poll_loop::{PollLoop, SourceId};
use millrun_transport::tls::TrustRoots;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::test_authority::{Authority, VENUE_NAME};

/// No wait of a test is longer; reached only when something is broken.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) type TlsStream<S = TcpStream> = StreamOwned<ServerConnection, S>;

/// A server that accepts one connection.
pub(crate) struct VenueServer<T> {
    pub(crate) port: u16,
    thread: JoinHandle<T>,
}

impl<T: Send + 'static> VenueServer<T> {
    /// Serves the first connection by `act`.
    pub(crate) fn start(act: impl FnOnce(TcpStream) -> T + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = thread::spawn(move || {
            let (socket, _) = listener.accept().unwrap();
            socket.set_nodelay(true).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            act(socket)
        });
        Self { port, thread }
    }

    /// What the server returned.
    pub(crate) fn join(self) -> T {
        self.thread.join().unwrap()
    }
}

/// The server's side of TLS over `socket`; the handshake happens at the first read or write.
pub(crate) fn secure<S: Read + Write>(socket: S, config: Arc<ServerConfig>) -> TlsStream<S> {
    StreamOwned::new(ServerConnection::new(config).unwrap(), socket)
}

/// Reads a request's head.
pub(crate) fn read_head(stream: &mut impl Read) -> io::Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        head.push(byte[0]);
    }
    Ok(String::from_utf8(head).unwrap())
}

/// The value of a header of the request.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// The lawful answer to an upgrade.
pub(crate) fn switching_protocols(request_head: &str) -> String {
    let key = header(request_head, "Sec-WebSocket-Key").unwrap();
    let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}

/// Takes the upgrade and gives the stream behind it.
pub(crate) fn accept_upgrade<S: Read + Write>(
    socket: S,
    config: Arc<ServerConfig>,
) -> TlsStream<S> {
    let mut stream = secure(socket, config);
    let answer = switching_protocols(&read_head(&mut stream).unwrap());
    stream.write_all(answer.as_bytes()).unwrap();
    stream.flush().unwrap();
    stream
}

/// An endpoint of this machine that must prove `venue.test` by `authority`.
pub(crate) fn endpoint(authority: &Authority, port: u16) -> Endpoint {
    Endpoint {
        host: "127.0.0.1".to_owned(),
        port,
        link_use: LinkUse::WebSocket {
            path: "/ws/v5/private?brokerId=9999".to_owned(),
        },
        tls_name: VENUE_NAME.to_owned(),
        roots: TrustRoots::PemFile(authority.root_file()),
    }
}

pub(crate) fn order(link_id: u32, endpoint: Endpoint) -> ConnectOrder {
    let deadlines = ConnectDeadlines::default();
    ConnectOrder {
        link_id,
        attempt: 1,
        endpoint: Arc::new(endpoint),
        deadlines,
    }
}

/// The hot thread of a test: a connector and a poll loop.
pub(crate) struct HotSide {
    pub(crate) poll: PollLoop,
    pub(crate) connector: Connector,
}

impl HotSide {
    pub(crate) fn new() -> Self {
        let poll = PollLoop::new(16).unwrap();
        let connector = Connector::start(Some(poll.waker())).unwrap();
        Self { poll, connector }
    }

    /// Waits for the next outcome.
    pub(crate) fn outcome(&mut self) -> ConnectOutcome {
        let give_up_at = Instant::now() + PATIENCE;
        loop {
            if let Some(outcome) = self.connector.poll_outcome() {
                return outcome;
            }
            assert!(Instant::now() < give_up_at, "no outcome");
            self.wait();
        }
    }

    pub(crate) fn connect(&mut self, order: ConnectOrder) -> ConnectOutcome {
        assert!(self.connector.order(order).is_ok());
        self.outcome()
    }

    /// Connects, and hands out the link with this side's poll loop.
    #[track_caller]
    pub(crate) fn open(mut self, order: ConnectOrder) -> Session {
        let mut ready = ready(self.connect(order));
        self.poll.add_link(SourceId(0), &mut ready.link).unwrap();
        Session {
            hot: self,
            link: ready.link,
        }
    }

    pub(crate) fn wait(&mut self) {
        assert!(
            self.poll.wait(Some(PATIENCE)).unwrap().count() > 0,
            "nothing happened"
        );
    }
}

/// An open link in its poll loop.
pub(crate) struct Session {
    pub(crate) hot: HotSide,
    pub(crate) link: Link,
}

impl Session {
    /// Reads exactly `wanted` bytes.
    pub(crate) fn read_exact(&mut self, wanted: usize) -> Vec<u8> {
        let mut bytes = vec![0; wanted];
        let mut read = 0;
        while read < wanted {
            match self.link.read_plaintext(&mut bytes[read..]) {
                ReadOutcome::Bytes(more) => read += more,
                ReadOutcome::WouldBlock => self.hot.wait(),
                ReadOutcome::Ended(end) => panic!("{end} after {read} of {wanted} bytes"),
            }
        }
        bytes
    }

    /// Reads until the link ends.
    pub(crate) fn read_to_end(&mut self) -> (Vec<u8>, LinkEnd) {
        let (mut bytes, mut space) = (Vec::new(), [0; 4_096]);
        loop {
            match self.link.read_plaintext(&mut space) {
                ReadOutcome::Bytes(more) => bytes.extend(&space[..more]),
                ReadOutcome::WouldBlock => self.hot.wait(),
                ReadOutcome::Ended(end) => return (bytes, end),
            }
        }
    }

    /// Writes, and waits until the socket has taken everything.
    pub(crate) fn send(&mut self, plaintext: &[u8]) {
        self.link.write_plaintext(plaintext).unwrap();
        self.drain();
    }

    pub(crate) fn drain(&mut self) {
        loop {
            match self.link.flush() {
                FlushState::Drained => return,
                FlushState::Pending(bytes) => {
                    assert_eq!(bytes, self.link.backlog_bytes());
                    self.hot.wait();
                }
                FlushState::Ended(end) => panic!("{end} while sending"),
            }
        }
    }
}

#[track_caller]
pub(crate) fn ready(outcome: ConnectOutcome) -> ReadyLink {
    match outcome {
        ConnectOutcome::Ready(ready) => ready,
        ConnectOutcome::Failed(failed) => panic!("{}", failed.error),
    }
}

#[track_caller]
pub(crate) fn failed(outcome: ConnectOutcome) -> ConnectFailed {
    match outcome {
        ConnectOutcome::Ready(_) => panic!("connected, expected a refusal"),
        ConnectOutcome::Failed(failed) => failed,
    }
}
