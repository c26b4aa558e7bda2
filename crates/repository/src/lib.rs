#![doc = include_str!("../README.md")]

mod error;
pub mod identity;
pub mod keys;
mod store;
pub mod terminology;

pub use error::Error;
pub use steadfast_postgres::{Health, Level, Operation, UrlError};
pub use store::Store;
