//! What a unit of work failed with, in terms of what to do next: the one error of this layer.

use std::time::Duration;
use steadfast_postgres::resilience::{Class, Classify};
use steadfast_postgres::{Abort, CallerError};

/// Why a unit of work has no answer. Its text is for logs and names no values of the data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It exists already.
    #[error("exists already: {}", constraint.as_deref().unwrap_or("unnamed constraint"))]
    Duplicate {
        /// The violated constraint.
        constraint: Option<String>,
    },
    /// The state of the data forbids it.
    #[error("forbidden by the data: {}", constraint.as_deref().unwrap_or("unnamed constraint"))]
    Conflict {
        /// The violated constraint.
        constraint: Option<String>,
    },
    /// It took too long. Nothing was kept.
    #[error("took too long: {cause}")]
    Timeout {
        /// What ran out.
        cause: String,
    },
    /// The database cannot be reached.
    #[error("{cause}")]
    Unavailable {
        /// Why.
        cause: String,
        /// When to try again, where that is known.
        retry_after: Option<Duration>,
    },
    /// The database refuses more work at present.
    #[error("{cause}")]
    Overload {
        /// Why.
        cause: String,
    },
    /// It may have been stored or not.
    #[error("the outcome is unknown: it may have been stored")]
    OutcomeUnknown,
    /// The resource does not exist.
    #[error("does not exist")]
    NotFound,
    /// The resource has another version than the request expects.
    #[error("has another version than expected")]
    VersionMismatch,
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// A request with the same idempotency key is still running.
    #[error("a request with the same idempotency key is still running")]
    InProgress,
    /// A defect: the query or its data do not fit the tables.
    #[error("{cause}")]
    Query {
        /// What does not fit.
        cause: String,
    },
}

impl Error {
    /// Returns true if the database answered and the stored data does not permit the request.
    pub const fn is_refusal(&self) -> bool {
        matches!(self, Self::NotFound | Self::VersionMismatch | Self::KeyReused | Self::InProgress)
    }
}

impl CallerError for Error {}

impl From<Abort<Self, steadfast_postgres::Error>> for Error {
    fn from(abort: Abort<Self, steadfast_postgres::Error>) -> Self {
        match abort {
            Abort::Caller(error) => error,
            Abort::Database(error) => error.into(),
        }
    }
}

impl From<steadfast_postgres::Error> for Error {
    fn from(error: steadfast_postgres::Error) -> Self {
        let (cause, constraint) = (error.to_string(), error.key().map(str::to_owned));
        match error.class() {
            Class::Duplicate => Self::Duplicate { constraint },
            Class::Conflict => Self::Conflict { constraint },
            // Still in somebody's way after all repetitions: to the caller that is time run out.
            Class::Timeout | Class::Deadlock => Self::Timeout { cause },
            Class::Unavailable => Self::Unavailable { cause, retry_after: error.retry_after() },
            Class::Overload => Self::Overload { cause },
            Class::Ambiguous => Self::OutcomeUnknown,
            Class::Caller | Class::Fault => Self::Query { cause },
        }
    }
}
