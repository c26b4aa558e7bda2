//! What can go wrong between a unit of work and its answer: the one error of this layer.

use crate::{Kind, SqlState};
use std::time::Duration;
use steadfast_resilience::{Class, Classify, Refused, Rejected};

/// When a caller may try again while no connection can be opened. The pool itself tries five times a second.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why no connection could be made. Carries no password and no query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The address does not answer, or the stream broke before the session was open.
    #[error("{address}: {cause}")]
    Unreachable {
        /// Host and port, or the socket's path.
        address: String,
        /// What the operating system or the protocol said.
        cause: String,
    },
    /// The server answered and refused the session.
    #[error("{address}: the server refused the session: {message} (SQLSTATE {sqlstate})")]
    Refused {
        /// Host and port, or the socket's path.
        address: String,
        /// Its code, e.g. 57P03 while it starts up, 53300 with too many clients.
        sqlstate: SqlState,
        /// Its words.
        message: String,
    },
}

/// Why a database URL cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("database URL: {0}")]
pub struct UrlError(pub(crate) String);

/// What a unit of work failed with. Its text is for logs: it names no values of the data.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The breaker is open: nothing was sent.
    #[error("{rejected}{}", cause_text(cause))]
    Rejected {
        /// By which breaker, and for how long at the most.
        rejected: Rejected,
        /// Why the server cannot be reached, as far as that is known.
        cause: Option<ConnectError>,
    },
    /// No connection could be made: nothing was sent.
    #[error("no connection to the database: {0}")]
    Connect(#[from] ConnectError),
    /// All connections were in use until the pool's timeout or the deadline: nothing was sent.
    #[error("QueuePool limit of size {size} overflow {overflow} reached, connection timed out, timeout {:.2}{}{}", waited.as_secs_f64(), silence_text(*silent), cause_text(cause))]
    PoolTimeout {
        /// Connections that are kept.
        size: u32,
        /// Connections more on demand.
        overflow: u32,
        /// How long the caller waited.
        waited: Duration,
        /// How much of that time no connection heard anything from the server.
        silent: Duration,
        /// Why no further connection could be opened meanwhile, if that is so.
        cause: Option<ConnectError>,
    },
    /// Units of work of this operation deadlocked, so few are let in at a time, and it was not this one's turn in time.
    /// Nothing was sent.
    #[error("after a deadlock one at a time: {0}")]
    Refused(#[from] Refused),
    /// The pool was closed: the process is about to end.
    #[error("the pool is closed")]
    PoolClosed,
    /// The deadline of the unit of work passed. Nothing was kept.
    #[error("deadline of {:.1} s passed{}", limit.as_secs_f64(), silence_text(*silent))]
    Deadline {
        /// What the unit of work was allowed.
        limit: Duration,
        /// How long the server has not answered on this connection; zero when it owed no answer.
        silent: Duration,
    },
    /// The server refused a statement. Nothing of a write was kept.
    #[error("SQLSTATE {sqlstate} ({}){}", sqlstate.class(), constraint_text(constraint))]
    Server {
        /// Its code.
        sqlstate: SqlState,
        /// The constraint that it names, if any.
        constraint: Option<String>,
    },
    /// The connection broke before COMMIT was sent. Nothing was kept.
    #[error("the connection to the database broke")]
    ConnectionLost,
    /// COMMIT was sent and its answer was lost: it may have been stored.
    #[error("the answer to COMMIT was lost: it may have been stored")]
    CommitUnknown,
    /// The unit of work sent BEGIN, COMMIT or ROLLBACK itself, so that it was not one transaction: a part of it may have
    /// been stored.
    #[error(
        "the unit of work began or ended a transaction by itself, so a part of it may have been stored; leave BEGIN, COMMIT and ROLLBACK to it"
    )]
    TransactionControl,
    /// A statement or nested transaction was dropped before it finished. Nothing was stored.
    #[error(
        "a statement or nested transaction was dropped before it finished, so the unit of work was rolled back; use a deadline of the operation instead"
    )]
    Unfinished,
    /// The session was opened before a change of the schema, and its prepared statements or types are out of date.
    /// Nothing was stored. The unit of work was repeated once on a new session before this is returned.
    #[error("SQLSTATE {sqlstate}: the schema has changed since the session was opened")]
    Stale {
        /// The code of the server's error.
        sqlstate: SqlState,
    },
    /// COMMIT was answered by ROLLBACK, because a statement had failed and its error was swallowed. Nothing was kept.
    #[error("COMMIT was answered by ROLLBACK: nothing was kept, because the error {} of this statement was ignored: {}", code_text(sqlstate), statement.as_deref().unwrap_or("unknown"))]
    RolledBack {
        /// The code of the ignored error.
        sqlstate: Option<SqlState>,
        /// The beginning of the statement that failed, without its values.
        statement: Option<String>,
    },
    /// A query could not be built, sent or read, or found no row. Nothing was stored.
    #[error("{0}")]
    Query(QueryError),
}

/// What LISTEN is answered by. It was carried out, so the connection is not used again.
pub(crate) const LISTENS: &str = "LISTEN on a pooled connection: its notifications would reach nobody; \
     open a connection of your own with tokio_postgres, and read the messages of its Connection";

/// An error of diesel without an answer of the server. Its texts, `Debug` included, show no values of the data.
pub struct QueryError(pub(crate) diesel::result::Error);

impl QueryError {
    /// Returns true if a query that needs a row found none.
    pub fn is_not_found(&self) -> bool {
        matches!(self.0, diesel::result::Error::NotFound)
    }

    /// Returns diesel's error, whose texts may show values.
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
            // The texts of the others are constant.
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
    /// The SQLSTATE, where the server gave one.
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

    /// Whether the session ended under the unit of work, through no fault of its own.
    pub(crate) fn is_lost_session(&self) -> bool {
        match self {
            Self::ConnectionLost => true,
            Self::Server { sqlstate, .. } => {
                sqlstate.class() == Class::Unavailable && sqlstate.ends_session()
            }
            _ => false,
        }
    }

    /// Returns true if a new session may succeed where this one failed: its session was lost or out of date.
    pub(crate) fn needs_new_session(&self, kind: Kind) -> bool {
        match self {
            Self::Stale { .. } => true,
            _ => kind != Kind::Write && self.is_lost_session(),
        }
    }

    /// Whether it says nothing of the server's health: the session is over, or it may only read, or nothing was heard in
    /// time. The next connect will tell, and a unit of work that writes where it should read must not stop the others.
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

/// Silence that is worth a word: less is a statement that takes its time.
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
