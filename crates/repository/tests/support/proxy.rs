//! A proxy in front of the server that counts round trips.

use anyhow::{Context, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Number of runs of which the minimum counts, because a ping or a second session may add round trips to a run.
const RUNS: usize = 3;

/// The proxy. Runs until the runtime ends.
pub(crate) struct RoundTrips {
    counter: Arc<Counter>,
}

/// Counter of all sessions together, because tests measure one operation at a time.
#[derive(Default)]
struct Counter {
    round_trips: AtomicUsize,
    /// True if the client is waiting for a response. Further messages belong to the same round trip.
    is_waiting: AtomicBool,
}

impl RoundTrips {
    /// Starts a proxy for the server of `url`, and returns it with the URL of the same database through the proxy.
    pub(crate) async fn proxy(url: &str) -> Result<(Self, String)> {
        let after_scheme = url.split_once('@').context("the URL names a user")?.1;
        let server = after_scheme.split(['/', '?']).next().context("the URL names a host")?.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, counter) = (listener.local_addr()?, Arc::<Counter>::default());
        let proxied = url.replacen(&server, &address.to_string(), 1);
        let shared = Arc::clone(&counter);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, server.clone(), Arc::clone(&shared)));
            }
        });
        Ok((Self { counter }, proxied))
    }

    /// Returns the number of round trips of `work`, after a first run that prepares its statements.
    pub(crate) async fn of<T, E>(&self, work: impl AsyncFn() -> Result<T, E>) -> Result<usize, E> {
        work().await?;
        let mut minimum = usize::MAX;
        for _ in 0..RUNS {
            let before = self.counter.round_trips.load(SeqCst);
            work().await?;
            minimum = minimum.min(self.counter.round_trips.load(SeqCst) - before);
        }
        Ok(minimum)
    }
}

async fn relay(client: TcpStream, server: String, counter: Arc<Counter>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let requests = forward(from_client, to_server, || {
        if !counter.is_waiting.swap(true, SeqCst) {
            counter.round_trips.fetch_add(1, SeqCst);
        }
    });
    let responses = forward(from_server, to_client, || counter.is_waiting.store(false, SeqCst));
    tokio::select! { () = requests => {}, () = responses => {} }
}

/// Forwards data and calls `on_data` before each write.
async fn forward(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, on_data: impl Fn()) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        on_data();
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
