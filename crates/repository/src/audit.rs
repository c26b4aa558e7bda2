//! The audit trail, and records of requests with an idempotency key.

#[cfg(feature = "cases")]
pub(crate) mod cases;
pub(crate) mod entries;
pub(crate) mod idempotency;
pub(crate) mod logins;
#[cfg(feature = "cases")]
pub(crate) mod seed;

pub use idempotency::{Created, EXPIRE_IDEMPOTENCY_RECORDS, expire_idempotency_records};
