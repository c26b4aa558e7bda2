//! What can go wrong with a check, told without the address, the API key or a product key.

use crate::MAX_KEYS;
use std::time::Duration;
use steadfast_resilience::{Class, Classify, Rejected};

/// Why a check has no answer.
///
/// No variant has a source: the errors of an HTTP client carry the address they were for, and the API key stands in
/// it. What is worth knowing of them is in [`Error::Unreachable`] as text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is wrong; the text names it and says what is allowed.
    #[error("PIDKey.com settings: {0}")]
    Settings(String),
    /// The text is no product key.
    #[error("a product key has 25 letters and digits, in five groups or without dashes")]
    InvalidKey,
    /// More keys were given than one request may carry; ask for them in parts.
    #[error("{given} keys in one request: at most {MAX_KEYS} are allowed")]
    TooManyKeys {
        /// How many were given.
        given: usize,
    },
    /// PIDKey.com failed several times in a row and is not asked for a while.
    #[error(transparent)]
    Open(Rejected),
    /// PIDKey.com answered 429, now or a moment ago, and is not asked until its time is over.
    #[error("PIDKey.com asked for silence: not asked again for {:.0} s", retry_after.as_secs_f64().ceil())]
    RateLimited {
        /// What is left of the silence.
        retry_after: Duration,
    },
    /// The own limit of requests a second left no room before the deadline; nothing was sent.
    #[error("too many checks at once: no request to PIDKey.com could be sent in time")]
    Busy {
        /// When there is likely to be room.
        retry_after: Duration,
    },
    /// Status 401: the API key is missing, wrong or expired.
    #[error("PIDKey.com does not accept the API key: check the configuration")]
    Unauthorized,
    /// Any other status than a success; a redirect is one, it is never followed.
    #[error("PIDKey.com answered with status {0}")]
    Status(u16),
    /// A success whose body is not what it should be; the text says in which way and quotes nothing.
    #[error("PIDKey.com sent an answer that cannot be used: {0}")]
    Body(&'static str),
    /// The answer is longer than the cap and was not read to its end.
    #[error("PIDKey.com sent more than {cap_bytes} bytes")]
    TooLarge {
        /// The cap that was passed.
        cap_bytes: usize,
    },
    /// No whole answer in time, whether a try's own time or the caller's deadline was over.
    #[error("PIDKey.com did not answer in time")]
    Timeout,
    /// There is no way to PIDKey.com: name resolution, connection, TLS, or a connection that broke before the answer.
    #[error("PIDKey.com cannot be reached: {0}")]
    Unreachable(String),
}

impl Error {
    /// The kind of error as a log field and metric label: lower case, never changes.
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
    /// [`Class::Unavailable`] is what counts for the breaker: silence, no connection, 5xx, bodies that make no sense.
    /// A 429 does not: whoever asks for silence is there.
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
    fn only_a_dependency_that_fails_counts_for_the_breaker() {
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
