//! Upkeep of idempotency records and of the partitions of the trail.

use crate::upkeep::times;
use chrono::Utc;
use std::time::Duration;
use steadfast_repository::audit::{expire_idempotency_records, maintain_partitions};
use steadfast_repository::{Error, Store};

/// Default number of days for which entries are retained: seven years.
pub const RETENTION_DAYS: u32 = 2_555;

/// Time from the start to the first upkeep: the start has more urgent work.
const UPKEEP_FIRST: Duration = Duration::from_secs(60);

/// Time from one deletion of expired records to the next.
const EXPIRE_EVERY: Duration = Duration::from_secs(600);

/// Time from one upkeep of the partitions to the next.
const MAINTAIN_EVERY: Duration = Duration::from_secs(3_600);

/// Deletes expired idempotency records every ten minutes. Never returns.
pub(super) async fn expire_records(store: &Store) {
    let mut times = times(UPKEEP_FIRST, EXPIRE_EVERY);
    loop {
        times.tick().await;
        if let Err(error) = expire(store).await {
            tracing::warn!(%error, "expired idempotency records were not deleted; the next attempt is in ten minutes");
        }
    }
}

async fn expire(store: &Store) -> Result<(), Error> {
    while expire_idempotency_records(store, Utc::now()).await? > 0 {}
    Ok(())
}

/// Creates and detaches partitions of the trail once an hour. Never returns.
pub(super) async fn maintain(store: &Store, retention_days: u32) {
    let (mut times, mut reported) = (times(UPKEEP_FIRST, MAINTAIN_EVERY), Vec::new());
    loop {
        times.tick().await;
        match maintain_partitions(store, retention_days).await {
            Ok(detached) => report(detached.unwrap_or_default(), &mut reported),
            Err(error) => {
                tracing::warn!(%error, "the partitions of the audit trail were not maintained; retrying in an hour");
            }
        }
    }
}

/// Logs each of the `detached` tables that is not among the `reported` ones.
fn report(detached: Vec<String>, reported: &mut Vec<String>) {
    for table in detached {
        if !reported.contains(&table) {
            tracing::warn!(
                table,
                "a partition of the audit trail is older than the retention and was detached; archive the table, then \
                 drop it"
            );
            reported.push(table);
        }
    }
}
