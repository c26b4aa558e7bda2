#![doc = include_str!("../README.md")]

mod backoff;
mod breaker;
mod class;
mod deadline;
mod retry;

pub use backoff::{Backoff, Jitter};
pub use breaker::{Breaker, BreakerConfig, BreakerState, Permit, Rejected, Snapshot};
pub use class::{Class, Classify};
pub use deadline::Deadline;
pub use retry::{Attempts, Retry};
