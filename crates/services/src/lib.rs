#![doc = include_str!("../README.md")]

pub mod audit;
mod error;
pub mod identity;
pub mod keys;
pub mod terminology;
mod upkeep;

pub use error::{Error, Upstream};
pub use steadfast_cache as cache;
