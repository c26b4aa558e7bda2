//! The cache from outside: in the process with a paused clock, and over real Redis servers that are broken on purpose.
#![expect(clippy::expect_used, reason = "a test whose set-up fails has failed")]

mod faults;
mod invalidation;
mod many;
mod metrics;
mod process;
mod recovery;
mod refusals;
mod restores;
mod stand_in;
mod support;
mod switch;
#[cfg(feature = "tls")]
mod tls;
