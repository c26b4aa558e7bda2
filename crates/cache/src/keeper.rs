//! The one task that connects to Redis, looks whether it is back, and learns what other nodes invalidated.

use crate::remote::Remote;
use std::sync::Arc;
use std::time::Duration;
use steadfast_resilience::{Backoff, Jitter};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

/// How often Redis is asked for a sign of life and for invalidations.
const TICK: Duration = Duration::from_secs(1);
/// Between two signs of life, however many callers doubt.
const PAUSE: Duration = Duration::from_millis(100);
/// Between attempts to connect.
const ATTEMPTS: Backoff = Backoff::exponential(PAUSE, TICK).jitter(Jitter::Half);

/// Keeps the connection of `remote` for as long as it is polled.
pub(crate) async fn keep(remote: Arc<Remote>) {
    let mut failed = 0;
    loop {
        if remote.link.connect().await {
            failed = 0;
            watch(&remote).await;
            tracing::warn!(
                "the connection to Redis is lost; answers come from this process and the database"
            );
        } else {
            if failed == 0 {
                tracing::warn!("Redis cannot be reached; it is tried again at least once a second");
            }
            sleep(ATTEMPTS.delay(failed)).await;
            failed = failed.saturating_add(1);
        }
    }
}

/// Ends when the connection does.
async fn watch(remote: &Remote) {
    tracing::info!("connected to Redis");
    loop {
        remote.refresh().await;
        let begun = Instant::now();
        // A doubt is a reason to look at once; an hour of doubts is none to look more than ten times a second.
        let _ = timeout_at(begun + TICK, remote.link.doubted()).await;
        if !remote.link.still_answers().await {
            return;
        }
        sleep_until(begun + PAUSE).await;
    }
}
