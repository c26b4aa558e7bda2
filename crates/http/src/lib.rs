#![doc = include_str!("../README.md")]

mod access_log;
mod audit;
mod authentication;
mod correlation;
mod envelope;
mod extract;
mod health;
mod identity;
mod keys;
mod openapi;
mod practice;
mod prelude;
mod problem;
mod route;
mod router;
mod serve;
mod state;
mod statements;
mod terminology;
#[cfg(test)]
mod testing;

pub use authentication::{CallerSettings, RateLimit};
pub use router::router;
pub use serve::{Drained, Draining, ServeSettings, serve};
pub use statements::Statements;
