//! Tests of the cache, in the process with a paused clock, and with real Redis servers that fail in many ways.
#![expect(clippy::expect_used, reason = "a test whose set-up fails has failed")]

mod fake_redis;
mod faults;
mod invalidation;
mod many;
mod metrics;
mod process;
mod recovery;
mod refusals;
mod restores;
mod support;
mod switch;
#[cfg(feature = "tls")]
mod tls;
