#![doc = include_str!("../README.md")]

mod error;
mod fields;
mod filter;
mod install;
mod layer;
mod line;
mod panic_hook;
mod settings;
mod writer;

pub use error::Error;
pub use install::{Guard, install};
pub use layer::JsonLayer;
pub use settings::{LogFormat, LogOutput, LogSettings};
