//! A proxy in front of the server that counts flights: how often the client sent something after it had heard an answer.

use anyhow::{Context, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Runs that a count is the least of: a ping or a second session in one of them is not what the operation costs.
const RUNS: usize = 3;

/// The proxy. It ends with the runtime.
pub(crate) struct Flights {
    seen: Arc<Seen>,
}

/// What passed, of all sessions together: one operation at a time is measured.
#[derive(Default)]
struct Seen {
    flights: AtomicUsize,
    /// Whether the client has sent something that was not answered yet: more of it belongs to the same flight.
    is_out: AtomicBool,
}

impl Flights {
    /// A proxy for the server of `url`, and the address of the same database through it.
    pub(crate) async fn before(url: &str) -> Result<(Self, String)> {
        let after_scheme = url.split_once('@').context("the URL names a user")?.1;
        let server = after_scheme.split(['/', '?']).next().context("the URL names a host")?.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, seen) = (listener.local_addr()?, Arc::<Seen>::default());
        let through = url.replacen(&server, &address.to_string(), 1);
        let shared = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, server.clone(), Arc::clone(&shared)));
            }
        });
        Ok((Self { seen }, through))
    }

    /// The flights of `work`, warm: the least of some runs, after one that prepares its statements.
    pub(crate) async fn of<T, E>(&self, work: impl AsyncFn() -> Result<T, E>) -> Result<usize, E> {
        work().await?;
        let mut least = usize::MAX;
        for _ in 0..RUNS {
            let before = self.seen.flights.load(SeqCst);
            work().await?;
            least = least.min(self.seen.flights.load(SeqCst) - before);
        }
        Ok(least)
    }
}

async fn pass(client: TcpStream, server: String, seen: Arc<Seen>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let asked = forward(from_client, to_server, || {
        if !seen.is_out.swap(true, SeqCst) {
            seen.flights.fetch_add(1, SeqCst);
        }
    });
    let answered = forward(from_server, to_client, || seen.is_out.store(false, SeqCst));
    tokio::select! { () = asked => {}, () = answered => {} }
}

/// Hands on what comes, after `note` took note of it.
async fn forward(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, note: impl Fn()) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        note();
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
