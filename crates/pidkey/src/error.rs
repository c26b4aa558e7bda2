//! Errors of a check. They contain neither the URL nor the API key nor a product key.

use crate::MAX_KEYS;
use std::time::Duration;
use steadfast_resilience::{Class, Classify, Rejected};

/// Error of a check.
///
/// No variant has a source, because errors of the HTTP client contain the URL with the API key. [`Error::Unreachable`]
/// has their reason as text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is invalid; the text names it and the allowed values.
    #[error("PIDKey.com settings: {0}")]
    Settings(String),
    /// The text is not a product key.
    #[error("a product key has 25 letters and digits, in five groups or without dashes")]
    InvalidKey,
    /// More keys than a request may contain; split them.
    #[error("{given} keys in one request: at most {MAX_KEYS} are allowed")]
    TooManyKeys {
        /// Number of keys.
        given: usize,
    },
    /// The circuit breaker is open after consecutive failures.
    #[error(transparent)]
    Open(Rejected),
    /// PIDKey.com answered 429, to this or an earlier request. No requests are sent until `retry_after` has passed.
    #[error("PIDKey.com limits the rate: no requests for another {:.0} s", retry_after.as_secs_f64().ceil())]
    RateLimited {
        /// Remaining time.
        retry_after: Duration,
    },
    /// The limit of requests per second left no slot before the deadline. Nothing was sent.
    #[error("too many checks at once: no request to PIDKey.com could be sent in time")]
    Busy {
        /// Expected time until a slot is free.
        retry_after: Duration,
    },
    /// Status 401: the API key is missing, wrong or expired.
    #[error("PIDKey.com does not accept the API key: check the configuration")]
    Unauthorized,
    /// Any other status that is not a success. Redirects are not followed.
    #[error("PIDKey.com answered with status {0}")]
    Status(u16),
    /// The body of a successful response is invalid; the text gives the reason and quotes nothing.
    #[error("PIDKey.com sent an invalid response: {0}")]
    Body(&'static str),
    /// The response exceeds the maximum size.
    #[error("PIDKey.com sent more than {cap_bytes} bytes")]
    TooLarge {
        /// Maximum size in bytes.
        cap_bytes: usize,
    },
    /// No complete response within the time of an attempt or by the caller's deadline.
    #[error("PIDKey.com did not answer in time")]
    Timeout,
    /// PIDKey.com cannot be reached: name resolution, connection or TLS failed, or the connection broke before the response.
    #[error("PIDKey.com cannot be reached: {0}")]
    Unreachable(String),
}

impl Error {
    /// Returns the kind of error as a stable log field and metric label.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Settings(_) => "settings",
            Self::InvalidKey => "invalid_key",
            Self::TooManyKeys { .. } => "too_many_keys",
            Self::Open(_) => "breaker_open",
            Self::RateLimited { .. } => "rate_limited",
            Self::Busy { .. } => "busy",
            Self::Unauthorized => "unauthorized",
            Self::Status(_) => "status",
            Self::Body(_) => "body",
            Self::TooLarge { .. } => "too_large",
            Self::Timeout => "timeout",
            Self::Unreachable(_) => "unreachable",
        }
    }
}

impl Classify for Error {
    /// Returns the class of the error. Only [`Class::Unavailable`] counts for the breaker: timeouts, lost connections, 5xx
    /// and invalid bodies. A 429 does not count, because the service is available.
    fn class(&self) -> Class {
        match self {
            Self::InvalidKey | Self::TooManyKeys { .. } => Class::Caller,
            Self::RateLimited { .. } | Self::Busy { .. } => Class::Overload,
            Self::Settings(_) | Self::Unauthorized | Self::Status(..500) => Class::Fault,
            Self::Open(_)
            | Self::Status(_)
            | Self::Body(_)
            | Self::TooLarge { .. }
            | Self::Timeout
            | Self::Unreachable(_) => Class::Unavailable,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Open(rejected) => Some(rejected.retry_after),
            Self::RateLimited { retry_after } | Self::Busy { retry_after } => Some(*retry_after),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failures_of_the_service_count_for_the_breaker() {
        let second = Duration::from_secs(1);
        for (error, class) in [
            (Error::Timeout, Class::Unavailable),
            (Error::Unreachable(String::new()), Class::Unavailable),
            (Error::Status(500), Class::Unavailable),
            (Error::Status(503), Class::Unavailable),
            (Error::Body(""), Class::Unavailable),
            (Error::TooLarge { cap_bytes: 1 }, Class::Unavailable),
            (Error::Status(302), Class::Fault),
            (Error::Status(403), Class::Fault),
            (Error::Unauthorized, Class::Fault),
            (Error::RateLimited { retry_after: second }, Class::Overload),
            (Error::Busy { retry_after: second }, Class::Overload),
            (Error::TooManyKeys { given: 51 }, Class::Caller),
        ] {
            assert_eq!(error.class(), class, "{error}");
        }
    }
}
