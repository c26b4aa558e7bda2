#![doc = include_str!("../README.md")]

mod answer;
mod client;
mod error;
mod gate;
mod key;
mod pause;
mod rate;
mod retry_after;
mod settings;
mod wire;

pub use answer::{Checked, KeyStatus};
pub use client::{Client, MAX_KEYS};
pub use error::Error;
pub use key::ProductKey;
pub use settings::{DEFAULT_BASE_URL, Settings};
pub use steadfast_resilience as resilience;
