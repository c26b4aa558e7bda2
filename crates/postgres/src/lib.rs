#![doc = include_str!("../README.md")]

mod abort;
mod activity;
mod bulk;
mod cached;
mod capacity;
mod capture;
mod conn;
mod connect;
mod db;
mod deadline_timer;
mod error;
mod health;
mod operation;
mod operation_state;
mod parameters;
mod pool;
mod sqlstate;
mod ssl_mode;
mod statement_count;
mod statement_log;
mod stream;
mod target;
#[cfg_attr(not(feature = "tls"), path = "no_tls.rs")]
mod tls;
mod unit;
mod wire;

pub use abort::{Abort, CallerError};
pub use bulk::{Bulk, BulkInsert};
pub use cached::{Cached, cached};
pub use capacity::Capacity;
pub use capture::{
    Captured, CapturedStatement, Parameter, Recorder, Refusal, StatementKind, TransactionStatus,
};
pub use conn::{Conn, NestedWork, Nesting, Transactions, UnitOfWork, Work, WorkOnce};
pub use db::{Db, DbSettings};
pub use error::{ConnectError, Error, QueryError, UrlError};
pub use health::{Health, Level};
pub use operation::{AnyOperation, Kind, Operation, Read, Reads, Write};
pub use operation_state::OPERATION_SECONDS;
pub use pool::{CloseReason, Closed, Order, Pool, PoolSettings, PoolState, Pooled, Unreturned};
pub use sqlstate::SqlState;
pub use statement_count::StatementCount;
pub use statement_log::StatementLog;
pub use target::SessionSettings;
#[cfg(feature = "tls")]
pub use tls::TlsRoots;
pub use wire::WireCounts;

pub use diesel;
pub use diesel_async;
pub use steadfast_resilience as resilience;
pub use tokio_postgres;
