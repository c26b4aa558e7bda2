#![doc = include_str!("../README.md")]

mod answer;
mod catalogue;
mod control;
mod failures;
mod routes;
mod server;

pub use control::{Control, Mode, Seen};
pub use server::{Sandbox, start};
