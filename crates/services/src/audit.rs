//! The tasks of a server that maintain the audit trail, and its verification.

mod sealing;
mod upkeep;
mod verification;

pub use upkeep::RETENTION_DAYS;
pub use verification::{Event, Verified, verify};

use steadfast_repository::Store;

/// Maintains the partitions of the audit trail, seals its rows, and deletes expired idempotency records. Entries are
/// retained for `retention_days`. Never returns. Servers that do so at the same time share the work.
pub async fn run(store: Store, retention_days: u32) {
    tokio::join!(
        upkeep::expire_records(&store),
        upkeep::maintain(&store, retention_days),
        sealing::seal_rows(&store)
    );
}
