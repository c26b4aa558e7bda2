//! Upkeep of the records about requests.

use chrono::Utc;
use std::time::Duration;
use steadfast_repository::audit::expire_idempotency_records;
use steadfast_repository::{Error, Store};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

/// Time from the start to the first upkeep: the start has more urgent work.
const UPKEEP_FIRST: Duration = Duration::from_secs(60);

/// Time from one upkeep to the next.
const UPKEEP_EVERY: Duration = Duration::from_secs(600);

/// Deletes expired idempotency records every ten minutes. Servers that do so at the same time share the work. Never
/// returns.
pub async fn upkeep(store: Store) {
    let mut times = interval_at(Instant::now() + UPKEEP_FIRST, UPKEEP_EVERY);
    times.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        times.tick().await;
        if let Err(error) = expire(&store).await {
            tracing::warn!(%error, "expired idempotency records were not deleted; the next attempt is in ten minutes");
        }
    }
}

async fn expire(store: &Store) -> Result<(), Error> {
    while expire_idempotency_records(store, Utc::now()).await? > 0 {}
    Ok(())
}
