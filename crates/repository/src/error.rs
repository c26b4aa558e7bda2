//! The error of this layer.

use std::time::Duration;
use steadfast_domain::Invalid;
use steadfast_domain::practice::Overlap;
use steadfast_postgres::resilience::{Class, Classify};
use steadfast_postgres::{Abort, CallerError};

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
    /// The resource does not exist.
    #[error("does not exist")]
    NotFound,
    /// The caller may not do that with this resource.
    #[error("the caller may not do that")]
    Forbidden,
    /// The resource has another version than the request expects.
    #[error("has another version than expected")]
    VersionMismatch,
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The state of the resource does not allow the change. The text is for the caller.
    #[error("the state of the resource does not allow the change: {0}")]
    State(&'static str),
    /// The stored data makes a part of the request invalid.
    #[error(transparent)]
    Invalid(Invalid),
    /// A field refers to a resource that does not exist.
    #[error("{field} refers to a resource that does not exist")]
    UnknownReference {
        /// Name of the field.
        field: &'static str,
    },
    /// The provider has another appointment at this time.
    #[error("the provider has another appointment at this time")]
    Overlap(Overlap),
    /// A request with the same idempotency key is still running.
    #[error("a request with the same idempotency key is still running")]
    InProgress,
    /// The statement or the stored data is invalid, which is a defect.
    #[error("{cause}")]
    Query {
        /// Description of the defect.
        cause: String,
    },
}

impl Error {
    /// Returns true if the database answered and the stored data does not permit the request.
    pub const fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::NotFound
                | Self::Forbidden
                | Self::VersionMismatch
                | Self::KeyReused
                | Self::State(_)
                | Self::Invalid(_)
                | Self::UnknownReference { .. }
                | Self::Overlap(_)
                | Self::InProgress
        )
    }

    /// Returns the violation of one of `references`, foreign keys with their fields, as [`Error::UnknownReference`].
    pub(crate) fn naming(self, references: &[(&str, &'static str)]) -> Self {
        let Self::Conflict { constraint: Some(constraint) } = &self else { return self };
        let violated = references.iter().find(|(name, _)| name == constraint);
        violated.map(|(_, field)| Self::UnknownReference { field }).unwrap_or(self)
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
            // A deadlock that persists after all retries is a timeout to the caller.
            Class::Timeout | Class::Deadlock => Self::Timeout { cause },
            Class::Unavailable => Self::Unavailable { cause, retry_after: error.retry_after() },
            Class::Overload => Self::Overload { cause },
            Class::Ambiguous => Self::OutcomeUnknown,
            Class::Caller | Class::Fault => Self::Query { cause },
        }
    }
}
