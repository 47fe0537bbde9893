//! A server that answers over real TLS whatever a test wants it to.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use millrun_cold::venue_queries::{QuerySettings, Roots};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

use crate::simulated_venue::{VENUE, credentials, table, unix_now};

/// Writes the whole answer, head and body, to a request for a path with query.
type Answering = Box<dyn Fn(&str, &mut dyn Write) + Send + Sync>;

/// The server.
pub(crate) struct CannedVenue {
    addr: SocketAddr,
    folder: TempDir,
    requests: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicU32>,
}

impl CannedVenue {
    /// Starts it; its threads end with the process.
    pub(crate) fn start(answering: impl Fn(&str, &mut dyn Write) + Send + Sync + 'static) -> Self {
        let signed = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), signed.cert.pem()).unwrap();
        let key = PrivatePkcs8KeyDer::from(signed.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![signed.cert.der().clone()], PrivateKeyDer::Pkcs8(key))
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let venue = Self {
            addr: listener.local_addr().unwrap(),
            folder,
            requests: Arc::default(),
            connections: Arc::default(),
        };
        let answering: Arc<Answering> = Arc::new(Box::new(answering));
        let (requests, connections) = (Arc::clone(&venue.requests), Arc::clone(&venue.connections));
        let tls = Arc::new(tls);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                connections.fetch_add(1, Ordering::Relaxed);
                let tls = ServerConnection::new(Arc::clone(&tls)).unwrap();
                let (requests, answering) = (Arc::clone(&requests), Arc::clone(&answering));
                std::thread::spawn(move || {
                    serve(StreamOwned::new(tls, stream), &requests, &answering);
                });
            }
        });
        venue
    }

    pub(crate) fn settings(&self) -> QuerySettings {
        QuerySettings {
            venue: VENUE,
            name: "canned".to_owned(),
            rest_url: format!("https://{}", self.addr),
            roots: Roots::PemFile(self.ca()),
            simulated_trading: false,
            credentials: credentials(1),
            table: table(),
            timeout: Duration::from_secs(10),
        }
    }

    /// Paths with queries, in the order of arrival.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> u32 {
        self.connections.load(Ordering::Relaxed)
    }

    fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }
}

/// Answers one connection's requests until it ends.
fn serve(
    stream: StreamOwned<ServerConnection, TcpStream>,
    requests: &Mutex<Vec<String>>,
    answering: &Answering,
) {
    let mut stream = BufReader::new(stream);
    while let Some(target) = read_head(&mut stream) {
        requests.lock().unwrap().push(target.clone());
        answering(&target, stream.get_mut());
    }
}

/// The target of a request without body; none when the connection ended.
fn read_head(stream: &mut impl BufRead) -> Option<String> {
    let mut target = None;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim_end().is_empty() {
            return target;
        }
        if target.is_none() {
            target = line.split(' ').nth(1).map(str::to_owned);
        }
    }
}

/// Writes a whole answer. A client that is gone is no concern of the server's.
pub(crate) fn answer(out: &mut dyn Write, status: &str, headers: &str, body: &str) {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n");
    let _ = out.write_all(head.as_bytes());
    let _ = out.write_all(body.as_bytes());
    let _ = out.flush();
}

/// Answers a list of rows, or the time when that is asked for.
pub(crate) fn answer_rows(target: &str, out: &mut dyn Write, rows: &str) {
    let ms = unix_now().as_ms();
    let data = match target.contains("public/time") {
        true => format!("{{\"ts\":\"{ms}\"}}"),
        false => rows.to_owned(),
    };
    let body = format!("{{\"code\":\"0\",\"msg\":\"\",\"data\":[{data}]}}");
    answer(out, "200 OK", "", &body);
}
