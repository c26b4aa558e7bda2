//! The server itself: connections taken in up to a limit, slow ones cut off, and an orderly end.

mod opening;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use opening::Opening;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower::ServiceExt;

/// The pause after the operating system refused a connection, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// How long an HTTP/2 connection may be silent before it is asked whether it lives, and how long it may take to say so.
const PING: Duration = Duration::from_secs(20);

/// How the server treats its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServeSettings {
    /// Connections that are served at once. More wait in the operating system's queue. Default: 1024.
    pub max_connections: usize,
    /// How long a connection may take to say its first words, and each HTTP/1 request to send its header; idle
    /// connections end after it too. Default: 30 s.
    pub header_timeout: Duration,
    /// How long connections are still accepted after the end was announced: time for a load balancer to look at
    /// `/health/ready`. Default: none.
    pub drain_delay: Duration,
    /// How long requests under way may take to end after that. Default: 115 s, longer than any route may take.
    pub drain_timeout: Duration,
}

impl Default for ServeSettings {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            header_timeout: Duration::from_secs(30),
            drain_delay: Duration::ZERO,
            drain_timeout: Duration::from_secs(115),
        }
    }
}

/// Whether the server is about to end. Clones speak of the same server.
#[derive(Clone, Debug, Default)]
pub struct Draining(Arc<AtomicBool>);

impl Draining {
    /// Announces the end. It cannot be taken back.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether the end was announced.
    pub fn has_begun(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Drained {
    /// Every request under way got its answer.
    Completely,
    /// So many connections were cut off when the time was over.
    CutOff(usize),
}

/// Serves `router` on `listener` until `shutdown` ends, then drains: readiness says so first, then nothing more is
/// accepted, then requests under way may end. Returns when all is over, at the latest `drain_delay` and `drain_timeout`
/// after `shutdown`.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    settings: ServeSettings,
    draining: Draining,
    shutdown: impl Future<Output = ()>,
) -> Drained {
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let last_call = async {
        shutdown.await;
        draining.begin();
        sleep(settings.drain_delay).await;
    };
    tokio::select! {
        () = last_call => {}
        () = accept_all(&listener, &router, settings, &graceful, &mut connections) => {}
    }
    drop(listener);
    drain(graceful, connections, settings.drain_timeout).await
}

/// Takes connections in for ever. May be dropped at any await: a connection is handed to its task at once.
async fn accept_all(
    listener: &TcpListener,
    router: &Router,
    settings: ServeSettings,
    graceful: &GracefulShutdown,
    connections: &mut JoinSet<()>,
) {
    let builder = builder(settings);
    let slots = Arc::new(Semaphore::new(settings.max_connections));
    // The semaphore is never closed.
    while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
        let (stream, peer) = accept(listener).await;
        let stream = Opening::new(stream, settings.header_timeout);
        let router = router.clone();
        connections.spawn(connection(stream, peer, router, builder.clone(), graceful.watcher(), slot));
        // Finished tasks are forgotten as new ones come, so the set stays as small as the connections are few.
        while connections.try_join_next().is_some() {}
    }
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Without it small answers may wait for an acknowledgement. A stream that refuses is closed already.
                let _ = stream.set_nodelay(true);
                return (stream, peer);
            }
            Err(error) if is_the_clients(&error) => {}
            Err(error) => {
                tracing::error!(%error, "no connection can be accepted; trying again");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

fn builder(settings: ServeSettings) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(settings.header_timeout);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(PING).keep_alive_timeout(PING);
    builder
}

async fn connection(
    stream: Opening<TcpStream>,
    peer: SocketAddr,
    router: Router,
    builder: Builder<TokioExecutor>,
    watcher: Watcher,
    slot: OwnedSemaphorePermit,
) {
    let service = router.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        request
    });
    let served = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    if let Err(error) = watcher.watch(served).await {
        // Clients that leave or stall are everyday business.
        tracing::debug!(error, "connection ended early");
    }
    drop(slot);
}

async fn drain(graceful: GracefulShutdown, mut connections: JoinSet<()>, limit: Duration) -> Drained {
    if timeout(limit, graceful.shutdown()).await.is_ok() {
        return Drained::Completely;
    }
    while connections.try_join_next().is_some() {}
    let left = connections.len();
    connections.shutdown().await;
    Drained::CutOff(left)
}

#[cfg(test)]
mod tests;
