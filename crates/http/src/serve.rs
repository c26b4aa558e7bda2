//! The server: accepts connections, bounds their number and time, and drains them at shutdown.

mod activity;
mod body;
mod pace;
mod service;
mod slots;

use activity::{Activity, Step};
use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use service::{Routers, Service};
use slots::{Slot, Slots};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until, timeout};

/// Pause after the operating system failed to accept a connection, most likely for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Time without a frame after which an HTTP/2 client is pinged, and time for its answer.
const PING: Duration = Duration::from_secs(20);

/// Size of the buffer of an HTTP/1 connection, and maximum size of a request header.
const HTTP1_BUFFER: usize = 64 * 1024;

/// Maximum number of open requests of an HTTP/2 connection: the minimum that the standard recommends.
const HTTP2_STREAMS: u32 = 100;

/// Number of bytes that an HTTP/2 client may send before the handler reads them: of one request, and of all requests of
/// a connection.
const HTTP2_WINDOWS: (u32, u32) = (64 * 1024, 256 * 1024);

/// Maximum number of unsent bytes that the operating system buffers for a client. The default is megabytes, which would
/// hide for minutes whether a slow client reads at all.
#[cfg(target_os = "linux")]
const UNSENT_MAX: u32 = 32 * 1024;

/// Limits on the number of connections and on their time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServeSettings {
    /// Maximum number of connections. Defaults to 1024. Connections beyond it receive only health answers, unless
    /// another connection can be closed.
    pub max_connections: usize,
    /// Maximum number of connections from one client address, or from one /64 network of IPv6. Defaults to no limit,
    /// because all connections through a reverse proxy have the proxy's address.
    pub max_connections_per_address: Option<usize>,
    /// Time for the header of a connection's first request. Defaults to 30 s.
    pub header_timeout: Duration,
    /// Time from an answer to the header of the next request. Defaults to 75 s, longer than the 60 s of common load
    /// balancers, so that these close their idle connections first.
    pub idle_timeout: Duration,
    /// Time after which a connection is closed if the client sends a request body or receives an answer slower than
    /// 1 KiB per second. Defaults to 30 s.
    pub stall_timeout: Duration,
    /// Time for which connections are still accepted after shutdown began, so that a load balancer can react to
    /// `/health/ready`. Defaults to zero.
    pub drain_delay: Duration,
    /// Time for open requests to complete after that. Defaults to 115 s, longer than the deadline of any route.
    pub drain_timeout: Duration,
}

impl Default for ServeSettings {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            max_connections_per_address: None,
            header_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(75),
            stall_timeout: Duration::from_secs(30),
            drain_delay: Duration::ZERO,
            drain_timeout: Duration::from_secs(115),
        }
    }
}

/// Shutdown state of a server. Clones belong to the same server.
#[derive(Clone, Debug, Default)]
pub struct Draining(Arc<AtomicBool>);

impl Draining {
    /// Announces the shutdown, which cannot be revoked.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Returns true if the shutdown was announced.
    pub fn has_begun(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Outcome of a drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Drained {
    /// Every open request was answered.
    Completely,
    /// This number of connections was still open at the deadline and was closed.
    CutOff(usize),
}

/// Serves `router` on `listener` until `shutdown` completes, then drains.
///
/// During a drain, readiness fails first, then no connections are accepted, then open requests may complete. Returns
/// at the latest `drain_delay` and `drain_timeout` after `shutdown`. Paths below `/health/` are answered on connections
/// beyond the limits too.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    settings: ServeSettings,
    draining: Draining,
    shutdown: impl Future<Output = ()>,
) -> Drained {
    let (end, ends) = watch::channel(false);
    let server = Server {
        builder: builder(),
        routers: Routers::new(router),
        slots: Slots::new(settings),
        settings,
        ends,
    };
    let mut connections = JoinSet::new();
    let announced_shutdown = async {
        shutdown.await;
        draining.begin();
        sleep(settings.drain_delay).await;
    };
    tokio::select! {
        () = announced_shutdown => {}
        () = server.accept_all(&listener, &mut connections) => {}
    }
    drop(listener);
    end.send_replace(true);
    drain(connections, settings.drain_timeout).await
}

/// State that all connections share.
#[derive(Clone)]
struct Server {
    builder: Builder<TokioExecutor>,
    routers: Routers,
    slots: Arc<Slots>,
    settings: ServeSettings,
    /// True once connections must end.
    ends: watch::Receiver<bool>,
}

impl Server {
    /// Accepts connections until it is dropped, which is safe at any await: each connection is passed to its task at
    /// once.
    async fn accept_all(&self, listener: &TcpListener, connections: &mut JoinSet<()>) {
        loop {
            let (stream, peer) = accept(listener).await;
            let slot = self.slots.take(peer.ip(), Arc::new(Activity::new(self.settings)));
            connections.spawn(self.clone().serve_connection(stream, peer, slot));
            // Removes finished tasks, so that the set does not grow.
            while connections.try_join_next().is_some() {}
        }
    }

    async fn serve_connection(mut self, stream: TcpStream, peer: SocketAddr, slot: Slot) {
        let activity = Arc::clone(slot.activity());
        let service = Service { routers: self.routers, slot: Arc::new(slot), peer };
        let mut served = pin!(self.builder.serve_connection(TokioIo::new(stream), service));
        let mut ends = pin!(async { self.ends.wait_for(|ends| *ends).await.is_ok() });
        let mut is_ending = false;
        loop {
            let look = match activity.next_step() {
                Step::Wait(until) => until,
                Step::Close => {
                    served.as_mut().graceful_shutdown();
                    continue;
                }
                Step::Cut(reason) => return tracing::debug!(reason, "connection closed by the server"),
            };
            tokio::select! {
                biased;
                result = served.as_mut() => {
                    // Clients that disconnect or stall are normal.
                    return result.unwrap_or_else(|error| tracing::debug!(error, "connection ended early"));
                }
                () = sleep_until(look) => {}
                () = activity.changed() => {}
                _ = &mut ends, if !is_ending => {
                    is_ending = true;
                    activity.close();
                }
            }
        }
    }
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Without it, small answers may wait for an acknowledgement. An error means that the stream is closed.
                let _ = stream.set_nodelay(true);
                #[cfg(target_os = "linux")]
                let _ = socket2::SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_MAX);
                return (stream, peer);
            }
            Err(error) if is_caused_by_client(&error) => {}
            Err(error) => {
                tracing::error!(%error, "cannot accept connections; trying again");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn is_caused_by_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    // `Activity` has the deadline for headers: hyper has none for HTTP/2, and idle time consumes that for HTTP/1.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(HTTP1_BUFFER);
    let (stream, connection) = HTTP2_WINDOWS;
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .max_concurrent_streams(HTTP2_STREAMS)
        .initial_stream_window_size(stream)
        .initial_connection_window_size(connection);
    builder
}

async fn drain(mut connections: JoinSet<()>, limit: Duration) -> Drained {
    if timeout(limit, async { while connections.join_next().await.is_some() {} }).await.is_ok() {
        return Drained::Completely;
    }
    while connections.try_join_next().is_some() {}
    let left = connections.len();
    connections.shutdown().await;
    Drained::CutOff(left)
}

#[cfg(test)]
mod tests;
