#![doc = include_str!("../README.md")]

mod alarm;
mod bulk;
mod cached;
mod capacity;
mod capture;
mod conn;
mod db;
mod error;
mod health;
mod heard;
mod operation;
mod pool;
mod sqlstate;
mod standing;
mod statement_log;
mod stream;
mod target;
#[cfg_attr(not(feature = "tls"), path = "no_tls.rs")]
mod tls;
mod unit;
mod wire;
mod work;

pub use bulk::Bulk;
pub use cached::{Cached, cached};
pub use capacity::Capacity;
pub use capture::{Captured, CapturedStatement, Parameter, Recorder, StatementKind, TransactionStatus};
pub use conn::Conn;
pub use db::{Db, DbSettings};
pub use error::{ConnectError, Error, UrlError};
pub use health::{Health, Level};
pub use operation::{Kind, Operation, Reads};
pub use pool::{CloseReason, Closed, Order, Pool, PoolSettings, PoolState, Pooled, Unreturned};
pub use sqlstate::SqlState;
pub use standing::OPERATION_SECONDS;
pub use statement_log::StatementLog;
pub use target::SessionSettings;
#[cfg(feature = "tls")]
pub use tls::TlsRoots;
pub use wire::WireCounts;
pub use work::{UnitOfWork, Work};

pub use diesel;
pub use diesel_async;
pub use steadfast_resilience as resilience;
pub use tokio_postgres;
