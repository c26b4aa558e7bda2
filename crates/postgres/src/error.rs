//! Errors of connections and units of work.

use crate::{Kind, SqlState};
use std::time::Duration;
use steadfast_resilience::{Class, Classify, Refused, Rejected};

/// Retry delay for callers while no connection can be opened. The prober itself tries five times per second.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Error of an attempt to connect. Contains no password and no query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The server does not answer, or the stream broke before the session was open.
    #[error("{address}: {cause}")]
    Unreachable {
        /// Host and port, or the path of the socket.
        address: String,
        /// Message of the operating system or the protocol.
        cause: String,
    },
    /// The server refused the session.
    #[error("{address}: the server refused the session: {message} (SQLSTATE {sqlstate})")]
    Refused {
        /// Host and port, or the path of the socket.
        address: String,
        /// The server's error code, for example 57P03 during startup or 53300 for too many clients.
        sqlstate: SqlState,
        /// The server's message.
        message: String,
    },
}

/// Error of an invalid database URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("database URL: {0}")]
pub struct UrlError(pub(crate) String);

/// Error of a unit of work. The message is for logs and contains no values of the data.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The breaker is open. Nothing was sent.
    #[error("{rejected}{}", cause_text(cause))]
    Rejected {
        /// The breaker's rejection with the time until the next attempt.
        rejected: Rejected,
        /// Reason why the server cannot be reached, if known.
        cause: Option<ConnectError>,
    },
    /// No connection could be opened. Nothing was sent.
    #[error("no connection to the database: {0}")]
    Connect(#[from] ConnectError),
    /// All connections were in use until the pool's timeout or the deadline. Nothing was sent.
    #[error("QueuePool limit of size {size} overflow {overflow} reached, connection timed out, timeout {:.2}{}{}", waited.as_secs_f64(), silence_text(*silent), cause_text(cause))]
    PoolTimeout {
        /// Number of connections that stay open.
        size: u32,
        /// Number of additional connections under load.
        overflow: u32,
        /// Time that the caller waited.
        waited: Duration,
        /// Part of that time in which the server sent nothing on any connection.
        silent: Duration,
        /// Reason why no further connection could be opened, if that failed.
        cause: Option<ConnectError>,
    },
    /// The concurrency of the operation is limited after deadlocks, and the deadline passed in the queue or the queue
    /// was full. Nothing was sent.
    #[error("concurrency of this operation is limited after a deadlock: {0}")]
    Refused(#[from] Refused),
    /// The pool was closed by [`Pool::close`](crate::Pool::close).
    #[error("the pool is closed")]
    PoolClosed,
    /// The deadline of the unit of work passed. Nothing was stored.
    #[error("deadline of {:.1} s passed{}", limit.as_secs_f64(), silence_text(*silent))]
    Deadline {
        /// Time limit of the unit of work.
        limit: Duration,
        /// Time for which an answer was outstanding on this connection; zero if none was.
        silent: Duration,
    },
    /// The server refused a statement. Nothing was stored.
    #[error("SQLSTATE {sqlstate} ({}){}", sqlstate.class(), constraint_text(constraint))]
    Server {
        /// The server's error code.
        sqlstate: SqlState,
        /// Name of the violated constraint, if any.
        constraint: Option<String>,
    },
    /// The connection was lost before COMMIT was sent. Nothing was stored.
    #[error("the connection to the database was lost")]
    ConnectionLost,
    /// COMMIT was sent and its response was lost. The transaction may have been committed.
    #[error("the response to COMMIT was lost: the transaction may have been committed")]
    CommitUnknown,
    /// The unit of work sent BEGIN, COMMIT or ROLLBACK itself, so it was not one transaction. Part of it may have been
    /// stored.
    #[error(
        "the unit of work began or ended a transaction itself, so part of it may have been stored; do not send BEGIN, COMMIT or ROLLBACK in it"
    )]
    TransactionControl,
    /// A statement or nested transaction was dropped before it finished. Nothing was stored.
    #[error(
        "a statement or nested transaction was dropped before it finished, so the unit of work was rolled back; use a deadline of the operation instead"
    )]
    Unfinished,
    /// The session was opened before a schema change, and its prepared statements or types are out of date. Nothing was
    /// stored. The unit of work has already been retried once on a new session.
    #[error("SQLSTATE {sqlstate}: the schema has changed since the session was opened")]
    Stale {
        /// The server's error code.
        sqlstate: SqlState,
    },
    /// COMMIT was answered by ROLLBACK, because a statement had failed and its error was ignored. Nothing was stored.
    #[error("COMMIT was answered by ROLLBACK: nothing was stored, because the error {} of this statement was ignored: {}", code_text(sqlstate), statement.as_deref().unwrap_or("unknown"))]
    RolledBack {
        /// The server's code of the ignored error.
        sqlstate: Option<SqlState>,
        /// The beginning of the failed statement, without values.
        statement: Option<String>,
    },
    /// A query could not be built, sent or decoded, or found no row. Nothing was stored.
    #[error("{0}")]
    Query(QueryError),
}

/// Error text for LISTEN. The statement was executed, so the connection is not reused.
pub(crate) const LISTENS: &str = "LISTEN is not supported on a pooled connection, where nothing reads its notifications; \
     open a separate connection with tokio_postgres and read the messages of its Connection";

/// Error of diesel without a server error. Its texts, including `Debug`, contain no values of the data.
pub struct QueryError(pub(crate) diesel::result::Error);

impl QueryError {
    /// Returns true if a query that requires a row found none.
    pub fn is_not_found(&self) -> bool {
        matches!(self.0, diesel::result::Error::NotFound)
    }

    /// Returns diesel's error, whose texts may contain values.
    pub fn into_inner(self) -> diesel::result::Error {
        self.0
    }
}

impl std::fmt::Display for QueryError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use diesel::result::Error as E;
        match &self.0 {
            E::InvalidCString(_) => f.write_str("a text contains a NUL character"),
            E::DatabaseError(_, info) if info.message() == LISTENS => f.write_str(LISTENS),
            E::DatabaseError(kind, _) => write!(f, "the query failed ({kind:?})"),
            E::NotFound => f.write_str("no row was found"),
            E::QueryBuilderError(_) => f.write_str("the query could not be built"),
            E::DeserializationError(_) => f.write_str("a value could not be read"),
            E::SerializationError(_) => f.write_str("a value could not be written"),
            E::RollbackErrorOnCommit { .. } => f.write_str("neither COMMIT nor ROLLBACK succeeded"),
            // The texts of the other errors are constant.
            other => write!(f, "{other}"),
        }
    }
}

impl std::fmt::Debug for QueryError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "QueryError({self})")
    }
}

impl Error {
    /// Returns the SQLSTATE if the server sent one.
    pub fn sqlstate(&self) -> Option<SqlState> {
        match self {
            Self::Server { sqlstate, .. } | Self::Connect(ConnectError::Refused { sqlstate, .. }) => {
                Some(*sqlstate)
            }
            Self::Stale { sqlstate } => Some(*sqlstate),
            Self::RolledBack { sqlstate, .. } => *sqlstate,
            _ => None,
        }
    }

    /// Returns true if the session ended independently of the unit of work.
    pub(crate) fn is_lost_session(&self) -> bool {
        match self {
            Self::ConnectionLost => true,
            Self::Server { sqlstate, .. } => {
                sqlstate.class() == Class::Unavailable && sqlstate.ends_session()
            }
            _ => false,
        }
    }

    /// Returns true if a new session may succeed, because the current one is lost or out of date.
    pub(crate) fn needs_new_session(&self, kind: Kind) -> bool {
        match self {
            Self::Stale { .. } => true,
            _ => kind != Kind::Write && self.is_lost_session(),
        }
    }

    /// Returns true if the error proves nothing about the server's health: the session ended or is read-only, or
    /// nothing was received in time. The next connect will clarify, and a faulty unit of work must not open the breaker
    /// for others.
    pub(crate) fn is_inconclusive(&self) -> bool {
        let is_silence = match self {
            Self::PoolTimeout { .. } => true,
            Self::Deadline { silent, .. } => !silent.is_zero(),
            Self::Stale { .. } => return true,
            _ => false,
        };
        is_silence || self.is_lost_session() || self.sqlstate() == Some(SqlState::READ_ONLY)
    }
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::Rejected { .. } | Self::ConnectionLost | Self::Stale { .. } => Class::Unavailable,
            Self::Connect(error) => error.class(),
            Self::PoolTimeout { .. } | Self::Deadline { .. } => Class::Timeout,
            Self::PoolClosed | Self::Refused(_) => Class::Overload,
            Self::Server { sqlstate, .. } => sqlstate.class(),
            Self::CommitUnknown | Self::TransactionControl => Class::Ambiguous,
            Self::RolledBack { .. } | Self::Unfinished => Class::Fault,
            Self::Query(error) if error.is_not_found() => Class::Caller,
            Self::Query(_) => Class::Fault,
        }
    }

    fn key(&self) -> Option<&str> {
        match self {
            Self::Server { constraint, .. } => constraint.as_deref(),
            _ => None,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Rejected { rejected, .. } => Some(rejected.retry_after),
            Self::Connect(_) => Some(RETRY_AFTER),
            _ => None,
        }
    }
}

impl Classify for ConnectError {
    fn class(&self) -> Class {
        match self {
            Self::Unreachable { .. } => Class::Unavailable,
            Self::Refused { sqlstate, .. } => match sqlstate.class() {
                Class::Overload => Class::Overload,
                _ => Class::Unavailable,
            },
        }
    }
}

/// Describes a silence of the server. Shorter ones are ordinary slow statements.
fn silence_text(silent: Duration) -> String {
    if silent < Duration::from_millis(100) {
        return String::new();
    }
    format!("; no answer from the server for {:.1} s", silent.as_secs_f64())
}

fn cause_text(cause: &Option<ConnectError>) -> String {
    cause.as_ref().map(|cause| format!("; {cause}")).unwrap_or_default()
}

fn constraint_text(constraint: &Option<String>) -> String {
    constraint.as_ref().map(|name| format!(" on {name}")).unwrap_or_default()
}

fn code_text(sqlstate: &Option<SqlState>) -> String {
    sqlstate.map_or_else(|| "unknown".to_owned(), |code| code.to_string())
}
