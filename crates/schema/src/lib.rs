#![doc = include_str!("../README.md")]

mod migrate;
pub mod schema;

pub use migrate::{Blocker, LockWait, MigrateError, fingerprint, migrate, migrate_on, pending_on};
