//! The client from outside, over real connections to a stand-in of PIDKey.com.

mod answers;
mod failures;
mod rate_limited;
mod secrets;
mod support;
