//! The audit trail with its partitions and seals, and records of requests with an idempotency key.

#[cfg(feature = "cases")]
pub(crate) mod cases;
pub(crate) mod entries;
pub(crate) mod idempotency;
pub(crate) mod logins;
mod partitions;
mod seals;
#[cfg(feature = "cases")]
pub(crate) mod seed;

pub use entries::{ENTRIES, entries};
pub use idempotency::{Created, EXPIRE_IDEMPOTENCY_RECORDS, expire_idempotency_records};
pub use partitions::{MAINTAIN_PARTITIONS, OLDEST_PARTITION, attached_since, maintain_partitions};
pub use seals::{
    COUNT_UNSEALED, Horizon, LAST_SEAL, MARK_HORIZON, ROWS, SEAL, SEALS, Sealing, count_unsealed, is_full,
    last_seal, mark_horizon, rows, seal, seals,
};
