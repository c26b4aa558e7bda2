//! The error of this layer.

use std::time::Duration;
use steadfast_domain::Invalid;
use steadfast_repository as repository;
use steadfast_resilience::{Class, Classify};

/// Failure of a use case.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The input is invalid.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The database failed.
    #[error("database: {0}")]
    Repository(#[from] repository::Error),
    /// PIDKey.com failed.
    #[error("PIDKey.com: {0}")]
    Upstream(#[from] Upstream),
}

/// Failure of PIDKey.com.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Upstream {
    /// PIDKey.com has limited the rate of requests.
    #[error("rate limit exceeded")]
    RateLimited {
        /// Time until the limit ends.
        retry_after: Duration,
    },
    /// PIDKey.com does not accept the configured API key, or none is configured.
    #[error("the API key is not accepted")]
    Unauthorized,
    /// PIDKey.com returned an error status.
    #[error("status {0}")]
    Status(u16),
    /// The response cannot be parsed.
    #[error("unreadable answer: {0}")]
    Body(String),
    /// The response did not arrive in time.
    #[error("timeout")]
    Timeout,
    /// The connection failed.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// The circuit breaker is open after several consecutive failures.
    #[error("circuit breaker open")]
    Open {
        /// Time until the next probe.
        retry_after: Duration,
    },
    /// The limit of concurrent requests is reached, and the request was not sent.
    #[error("own request limit reached")]
    Busy {
        /// Time after which the request is likely to be accepted.
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
            // The request was validated before, so other errors concern the response.
            other => Self::Body(other.to_string()),
        }
    }
}

impl Error {
    /// Returns the kind of failure for log fields: lower case and stable.
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
        | repository::Error::Forbidden
        | repository::Error::State(_)
        | repository::Error::Invalid(_)
        | repository::Error::UnknownReference { .. }
        | repository::Error::InProgress
        | repository::Error::Overlap(_) => Class::Caller,
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
