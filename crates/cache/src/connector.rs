//! The background task that maintains the connection to Redis and exchanges invalidations with other nodes.

use crate::link::Fault;
use crate::remote::Remote;
use std::sync::Arc;
use std::time::Duration;
use steadfast_resilience::{Backoff, Jitter};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

/// Interval of the checks of the connection and the generations.
const INTERVAL: Duration = Duration::from_secs(1);
/// Minimum interval, if callers wake the task.
const INTERVAL_MIN: Duration = Duration::from_millis(100);
/// Pauses between attempts to connect.
const BACKOFF: Backoff = Backoff::exponential(INTERVAL_MIN, INTERVAL).jitter(Jitter::Half);

/// Reason for which a connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Lost,
    /// The server is a read-only replica. The address may lead to the new master.
    ReadOnly,
}

/// Maintains the connection of `remote` until the future is dropped.
pub(crate) async fn run(remote: Arc<Remote>) {
    let (mut failed, mut end) = (0, End::Lost);
    loop {
        if remote.link.connect().await {
            failed = 0;
            // A replica is reconnected every second, but logged once.
            if end == End::Lost {
                tracing::info!("connected to Redis");
                if !remote.link.has_server_name() {
                    tracing::warn!(
                        "Redis does not report its replication id: allow the user INFO, otherwise a restored snapshot \
                         is not recognised"
                    );
                }
            }
            end = watch(&remote).await;
            if end == End::Lost {
                tracing::warn!(
                    "the connection to Redis is lost; values come from this process and from loads"
                );
            }
        } else {
            if failed == 0 {
                tracing::warn!("Redis cannot be reached; retrying at least once a second");
            }
            end = End::Lost;
            sleep(BACKOFF.delay(failed)).await;
            failed = failed.saturating_add(1);
        }
    }
}

/// Checks the connection and exchanges generations until the connection must be replaced.
async fn watch(remote: &Remote) -> End {
    loop {
        let refreshed = remote.refresh().await;
        let begun = Instant::now();
        if refreshed == Err(Fault::ReadOnly) {
            sleep_until(begun + INTERVAL).await;
            remote.link.disconnect();
            return End::ReadOnly;
        }
        // Callers that find Redis unavailable or a generation untrusted wake this task, at most ten times a second.
        let _ = timeout_at(begun + INTERVAL, remote.link.woken()).await;
        if !remote.link.is_responsive().await {
            return End::Lost;
        }
        sleep_until(begun + INTERVAL_MIN).await;
    }
}
