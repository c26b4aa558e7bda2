#![doc = include_str!("../README.md")]

pub mod audit;
#[cfg(feature = "cases")]
pub mod cases;
mod error;
mod expiry;
pub mod identity;
pub mod keys;
mod lists;
pub mod practice;
mod prelude;
mod row;
mod store;
pub mod terminology;

pub use error::Error;
pub use steadfast_postgres::{Closed, Health, Level, SessionSettings, StatementCount, UrlError};
pub use store::Store;
