//! The task that keeps the connection to Redis, and exchanges invalidations with other nodes.

use crate::link::Fault;
use crate::remote::Remote;
use std::sync::Arc;
use std::time::Duration;
use steadfast_resilience::{Backoff, Jitter};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

/// Time between two questions for a sign of life and for invalidations.
const TICK: Duration = Duration::from_secs(1);
/// Shortest time between two questions, however often callers wake the keeper.
const PAUSE: Duration = Duration::from_millis(100);
/// Pauses between attempts to connect.
const ATTEMPTS: Backoff = Backoff::exponential(PAUSE, TICK).jitter(Jitter::Half);

/// Why a connection was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Lost,
    /// The server is a read-only replica. The address may lead to the master by now.
    ReadOnly,
}

/// Keeps the connection of `remote` for as long as it is polled.
pub(crate) async fn keep(remote: Arc<Remote>) {
    let (mut failed, mut end) = (0, End::Lost);
    loop {
        if remote.link.connect().await {
            failed = 0;
            // A replica is tried again every second, and says so once.
            if end == End::Lost {
                tracing::info!("connected to Redis");
                if !remote.link.knows_server() {
                    tracing::warn!(
                        "Redis does not tell its replication id: allow its user INFO, or a restored snapshot is \
                         not recognised"
                    );
                }
            }
            end = watch(&remote).await;
            if end == End::Lost {
                tracing::warn!(
                    "the connection to Redis is lost; answers come from this process and the database"
                );
            }
        } else {
            if failed == 0 {
                tracing::warn!("Redis cannot be reached; it is tried again at least once a second");
            }
            end = End::Lost;
            sleep(ATTEMPTS.delay(failed)).await;
            failed = failed.saturating_add(1);
        }
    }
}

/// Ends when the connection does.
async fn watch(remote: &Remote) -> End {
    loop {
        let refreshed = remote.refresh().await;
        let begun = Instant::now();
        if refreshed == Err(Fault::ReadOnly) {
            sleep_until(begun + TICK).await;
            remote.link.give_up();
            return End::ReadOnly;
        }
        // Whoever finds Redis unavailable or a generation untrusted wakes the keeper, ten times a second at most.
        let _ = timeout_at(begun + TICK, remote.link.woken()).await;
        if !remote.link.still_answers().await {
            return End::Lost;
        }
        sleep_until(begun + PAUSE).await;
    }
}
