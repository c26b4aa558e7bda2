//! The circuit breaker. If too many calls fail, it rejects calls for a while, then lets a few through as probes.
//!
//! A closed breaker costs two atomic loads per call and reads no clock. A permit is a guard: a call that is dropped without
//! an outcome returns it and counts as cancelled, so a dropped future can neither open nor block the breaker.

mod call;
mod config;
mod machine;
mod permit;
mod state;
mod window;
mod word;

pub use call::CallError;
pub use config::{BreakerConfig, CountWindow};
pub use machine::Breaker;
pub use permit::Permit;
pub use state::{BreakerState, Control, Rejected, Snapshot, Transition};
