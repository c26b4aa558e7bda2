//! Why a use case has no answer: the one error of this layer.

use std::time::Duration;
use steadfast_domain::Invalid;
use steadfast_repository as repository;
use steadfast_resilience::{Class, Classify};

/// Why a use case has no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The input is wrong.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The database gave none.
    #[error("database: {0}")]
    Repository(#[from] repository::Error),
    /// PIDKey.com gave none.
    #[error("PIDKey.com: {0}")]
    Upstream(#[from] Upstream),
}

/// Why PIDKey.com gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Upstream {
    /// It asked to be left alone, now or a moment ago.
    #[error("rate limit exceeded")]
    RateLimited {
        /// For how long still.
        retry_after: Duration,
    },
    /// It does not accept the configured API key, or none is configured.
    #[error("the API key is not accepted")]
    Unauthorized,
    /// It answered with another status than success.
    #[error("status {0}")]
    Status(u16),
    /// Its answer cannot be used.
    #[error("unreadable answer: {0}")]
    Body(String),
    /// It did not answer in time.
    #[error("timeout")]
    Timeout,
    /// There is no way to it.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// It failed several times in a row and is not asked for a while.
    #[error("circuit breaker open")]
    Open {
        /// For how long still.
        retry_after: Duration,
    },
    /// More checks are under way than may be sent; this one was not.
    #[error("own request limit reached")]
    Busy {
        /// When there is likely to be room.
        retry_after: Duration,
    },
}

impl From<steadfast_pidkey::Error> for Upstream {
    fn from(error: steadfast_pidkey::Error) -> Self {
        use steadfast_pidkey::Error as Pidkey;
        match error {
            Pidkey::RateLimited { retry_after } => Self::RateLimited { retry_after },
            Pidkey::Unauthorized | Pidkey::Settings(_) => Self::Unauthorized,
            Pidkey::Status(status) => Self::Status(status),
            Pidkey::Timeout => Self::Timeout,
            Pidkey::Unreachable(cause) => Self::Unreachable(cause),
            Pidkey::Open(rejected) => Self::Open { retry_after: rejected.retry_after },
            Pidkey::Busy { retry_after } => Self::Busy { retry_after },
            // What is asked was parsed and counted before, so the rest is about the answer.
            other => Self::Body(other.to_string()),
        }
    }
}

impl Error {
    /// The kind of failure as a log field: lower case, never changes.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid",
            Self::Repository(_) => "database",
            Self::Upstream(upstream) => upstream.kind(),
        }
    }
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::Invalid(_) => Class::Caller,
            Self::Repository(error) => class_of(error),
            Self::Upstream(upstream) => upstream.class(),
        }
    }
}

const fn class_of(error: &repository::Error) -> Class {
    match error {
        repository::Error::Duplicate { .. } => Class::Duplicate,
        repository::Error::Conflict { .. } => Class::Conflict,
        repository::Error::Timeout { .. } => Class::Timeout,
        repository::Error::Unavailable { .. } => Class::Unavailable,
        repository::Error::Overload { .. } => Class::Overload,
        repository::Error::OutcomeUnknown => Class::Ambiguous,
        repository::Error::Query { .. } => Class::Fault,
        repository::Error::NotFound
        | repository::Error::VersionMismatch
        | repository::Error::KeyReused
        | repository::Error::InProgress => Class::Caller,
    }
}

impl Classify for Upstream {
    fn class(&self) -> Class {
        match self {
            Self::RateLimited { .. } | Self::Busy { .. } => Class::Overload,
            Self::Timeout => Class::Timeout,
            Self::Unreachable(_) | Self::Open { .. } => Class::Unavailable,
            Self::Unauthorized | Self::Status(_) | Self::Body(_) => Class::Fault,
        }
    }
}

impl Upstream {
    fn kind(&self) -> &'static str {
        match self {
            Self::RateLimited { .. } => "upstream_rate_limited",
            Self::Unauthorized => "upstream_unauthorized",
            Self::Status(_) => "upstream_status",
            Self::Body(_) => "upstream_body",
            Self::Timeout => "upstream_timeout",
            Self::Unreachable(_) => "upstream_unreachable",
            Self::Open { .. } => "upstream_open",
            Self::Busy { .. } => "upstream_busy",
        }
    }
}
