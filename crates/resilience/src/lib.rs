#![doc = include_str!("../README.md")]

mod backoff;
mod breaker;
mod budget;
mod bulkhead;
mod class;
mod deadline;
mod deadlock;
mod duplicate;
mod gate;
mod refused;
mod retry;
mod sync;

pub use backoff::{Backoff, Jitter};
pub use breaker::{
    Breaker, BreakerConfig, BreakerState, CallError, Control, CountWindow, Permit, Rejected, Snapshot,
    Transition,
};
pub use budget::{BudgetRules, BudgetSnapshot, RetryBudget};
pub use bulkhead::{Bulkhead, BulkheadConfig, BulkheadPermit};
pub use class::{Class, Classify};
pub use deadline::Deadline;
pub use deadlock::retry_on_deadlock;
pub use duplicate::{OnDuplicateKey, on_duplicate_key};
pub use gate::{ContentionGate, ContentionRules, ContentionSnapshot, Pass};
pub use refused::Refused;
pub use retry::{Attempts, Retry};
