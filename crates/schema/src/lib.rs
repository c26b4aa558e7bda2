#![doc = include_str!("../README.md")]

mod migrate;
pub mod schema;
pub mod views;

pub use migrate::{Blocker, LockWait, MigrateError, fingerprint, migrate, migrate_on, pending_on};
