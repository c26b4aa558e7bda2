#![doc = include_str!("../README.md")]

mod cache;
mod connector;
mod flight;
mod generations;
mod health;
mod key;
mod link;
mod memory;
mod remote;
mod settings;
mod value;
mod writer;

pub use cache::Cache;
pub use health::{CacheHealth, RedisHealth};
pub use key::{Area, Key};
pub use settings::{CacheSettings, Error, RedisAddress, RedisSettings};
pub use value::{Cached, Loaded, Status, Tier};
