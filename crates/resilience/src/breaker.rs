//! The circuit breaker: when too much fails it rejects calls for a while, then lets a few through to find out.
//!
//! Closed costs two atomic loads a call and no clock. A permit is a guard: a caller that leaves without an outcome
//! gives it back and is counted as cancelled, so a dropped future can neither open nor wedge the breaker.

mod call;
mod config;
mod machine;
mod permit;
mod state;
mod window;
mod word;

pub use config::{BreakerConfig, CountWindow};
pub use machine::Breaker;
pub use permit::Permit;
pub use state::{BreakerState, Control, Rejected, Snapshot, Transition};
