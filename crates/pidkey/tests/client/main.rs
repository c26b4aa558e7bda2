//! The client over real connections to a sandbox.

mod answers;
mod failures;
mod rate_limited;
mod secrets;
mod support;
