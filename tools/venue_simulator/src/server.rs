//! The accept loop: TCP, the faulty link, TLS, HTTP/1.1 and HTTP/2 on one port.
//!
//! Invariants: one task per connection; each request carries its connection's link control.

use std::sync::Arc;

use axum::Router;
use axum::extract::Extension;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::link::{FaultyLink, LinkControl};

/// First byte of a TLS handshake record.
const TLS_HANDSHAKE: u8 = 0x16;

/// Accepts connections for ever.
pub(crate) async fn accept_loop(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    router: Router,
    allows_clear_text: bool,
) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, most likely: give the others time to close.
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let (acceptor, router) = (acceptor.clone(), router.clone());
        tokio::spawn(async move {
            if allows_clear_text && !starts_with_tls(&stream).await {
                let control = LinkControl::new();
                let link = FaultyLink::new(stream, Arc::clone(&control));
                return serve(link, control, router).await;
            }
            let control = LinkControl::new();
            let link = FaultyLink::new(stream, Arc::clone(&control));
            if let Ok(stream) = acceptor.accept(link).await {
                serve(stream, control, router).await;
            }
        });
    }
}

async fn starts_with_tls(stream: &TcpStream) -> bool {
    let mut first = [0_u8; 1];
    matches!(stream.peek(&mut first).await, Ok(1) if first[0] == TLS_HANDSHAKE)
}

async fn serve<S>(stream: S, control: Arc<LinkControl>, router: Router)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = TowerToHyperService::new(router.layer(Extension(control)));
    // The peer may leave in any way; there is nobody to tell.
    let _ = Builder::new(TokioExecutor::new())
        .serve_connection_with_upgrades(TokioIo::new(stream), service)
        .await;
}
