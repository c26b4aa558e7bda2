#![doc = include_str!("../README.md")]

mod account;
mod binaries;
mod database;
mod error;
mod lock;
mod npm;
mod process;
mod program;
mod redis;
mod scratch;
mod server;
mod template;
mod test_server;
mod url;

pub use account::Account;
pub use binaries::PostgresBinaries;
pub use database::TestDatabase;
pub use error::Error;
pub use lock::FileLock;
pub use process::Process;
pub use program::find_program;
pub use redis::{RedisBinary, RedisServer, answers_redis};
pub use scratch::{claim_folder, reachable_by_others, scratch_folder};
pub use server::{Server, ServerOptions, StopMode, sweep_private_servers};
pub use template::APPLICATION_ROLE;
pub use test_server::{SERVER_VARIABLE, shared_server_folder};

/// Result of the functions of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
