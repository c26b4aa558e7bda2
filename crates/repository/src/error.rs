//! The error of this layer.

use std::time::Duration;
use steadfast_postgres::resilience::{Class, Classify};

/// Failure of a unit of work, classified by what the caller can do. The text is for logs and contains no stored values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The object exists already.
    #[error("exists already: {}", constraint.as_deref().unwrap_or("unnamed constraint"))]
    Duplicate {
        /// Violated constraint.
        constraint: Option<String>,
    },
    /// The state of the data does not allow the change.
    #[error("violates a constraint: {}", constraint.as_deref().unwrap_or("unnamed constraint"))]
    Conflict {
        /// Violated constraint.
        constraint: Option<String>,
    },
    /// A deadline or timeout expired. Nothing was stored.
    #[error("timed out: {cause}")]
    Timeout {
        /// Description of the timeout.
        cause: String,
    },
    /// The database is unavailable.
    #[error("{cause}")]
    Unavailable {
        /// Description of the failure.
        cause: String,
        /// Time after which to retry, if known.
        retry_after: Option<Duration>,
    },
    /// The database cannot accept more work at present.
    #[error("{cause}")]
    Overload {
        /// Description of the overload.
        cause: String,
    },
    /// The response to COMMIT was lost. The change may have been stored.
    #[error("the outcome is unknown: the change may have been stored")]
    OutcomeUnknown,
    /// The statement or the stored data is invalid, which is a defect.
    #[error("{cause}")]
    Query {
        /// Description of the defect.
        cause: String,
    },
}

impl From<steadfast_postgres::Error> for Error {
    fn from(error: steadfast_postgres::Error) -> Self {
        let (cause, constraint) = (error.to_string(), error.key().map(str::to_owned));
        match error.class() {
            Class::Duplicate => Self::Duplicate { constraint },
            Class::Conflict => Self::Conflict { constraint },
            // A deadlock that persists after all retries is a timeout to the caller.
            Class::Timeout | Class::Deadlock => Self::Timeout { cause },
            Class::Unavailable => Self::Unavailable { cause, retry_after: error.retry_after() },
            Class::Overload => Self::Overload { cause },
            Class::Ambiguous => Self::OutcomeUnknown,
            Class::Caller | Class::Fault => Self::Query { cause },
        }
    }
}
