#![doc = include_str!("../README.md")]

mod migrations;
pub mod settings;
mod wiring;

pub use migrations::{migrate, pending};
pub use settings::{Settings, SettingsError};
pub use steadfast_http::Drained;
pub use steadfast_schema::LockWait;
pub use wiring::{Ended, Running, StartError, install_logs, run, start};
