//! Settings of a client, with units, defaults and their reasons.

use crate::Error;
use reqwest::Url;
use secrecy::SecretString;
use std::num::NonZeroU32;
use std::time::Duration;
use steadfast_resilience::{Backoff, BreakerConfig, Jitter};

/// URL of PIDKey.com.
pub const DEFAULT_BASE_URL: &str = "https://pidkey.com/ajax/pidms_api";

const REQUESTS_PER_SECOND: NonZeroU32 = NonZeroU32::MIN.saturating_add(4);
const TRIES_MAX: u32 = 10;

/// Settings of a [`Client`](crate::Client). Start from [`Settings::new`] and change what differs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// URL without a query. Defaults to [`DEFAULT_BASE_URL`]. Use `http` for a sandbox only, because the URL contains the
    /// API key.
    pub base_url: String,
    /// API key of the account. An empty one is sent unchanged, and PIDKey.com answers 401.
    pub api_key: SecretString,
    /// Maximum duration of one attempt, from the connection to the last byte. Defaults to 30 s: PIDKey.com queries
    /// Microsoft for each key, which takes seconds. An attempt that the caller's deadline ends earlier does not count for
    /// the breaker.
    pub try_timeout: Duration,
    /// Maximum number of attempts, 1 to 10, including the first one. Defaults to 3. Only timeouts and failed connects are
    /// retried, because a check may cost a retail key an activation.
    pub tries: u32,
    /// Delay before each retry. Defaults to 4 s, doubling up to 30 s, without jitter, because the rate limit spreads requests.
    pub backoff: Backoff,
    /// Maximum number of requests per second, which is also the maximum burst. Defaults to 5, enough for 250 keys per
    /// second. PIDKey.com answers 429 beyond a limit that it does not publish.
    pub requests_per_second: NonZeroU32,
    /// Maximum size of a response in bytes. Defaults to 1 MiB; fifty keys take about 25 KiB.
    pub answer_cap_bytes: usize,
    /// Circuit breaker. Defaults to opening for 60 s after 5 consecutive failures.
    pub breaker: BreakerConfig,
}

impl Settings {
    /// Returns the defaults with the given API key.
    pub fn new(api_key: SecretString) -> Self {
        Self {
            base_url: DEFAULT_BASE_URL.to_owned(),
            api_key,
            try_timeout: Duration::from_secs(30),
            tries: 3,
            backoff: Backoff::exponential(Duration::from_secs(4), Duration::from_secs(30))
                .jitter(Jitter::None),
            requests_per_second: REQUESTS_PER_SECOND,
            answer_cap_bytes: 1024 * 1024,
            breaker: BreakerConfig::consecutive(5, Duration::from_secs(60)),
        }
    }

    /// Validates all values and returns the parsed URL.
    pub(crate) fn validate(&self) -> Result<Url, Error> {
        if !(1..=TRIES_MAX).contains(&self.tries) {
            return refuse(format!("tries must be from 1 to {TRIES_MAX}, not {}", self.tries));
        }
        if self.try_timeout.is_zero() {
            return refuse("try_timeout must be longer than zero");
        }
        if self.answer_cap_bytes == 0 {
            return refuse("answer_cap_bytes must be at least 1; the default of 1048576 fits");
        }
        base_url(&self.base_url)
    }
}

/// Parses the URL. The error does not quote it, because it may contain the API key.
fn base_url(text: &str) -> Result<Url, Error> {
    let form = format!("an address that begins with http:// or https://, like {DEFAULT_BASE_URL}");
    let Ok(url) = Url::parse(text) else {
        return refuse(format!("base_url must be {form}"));
    };
    if !matches!(url.scheme(), "http" | "https") {
        return refuse(format!("base_url must be {form}"));
    }
    let is_bare = url.query().is_none() && url.fragment().is_none();
    if !is_bare || !url.username().is_empty() || url.password().is_some() {
        return refuse(format!("base_url must have no user, query or fragment: it is {form}"));
    }
    Ok(url)
}

fn refuse<T>(why: impl Into<String>) -> Result<T, Error> {
    Err(Error::Settings(why.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_base_url(base_url: &str) -> Result<Url, Error> {
        Settings { base_url: base_url.to_owned(), ..Settings::new("secret".into()) }.validate()
    }

    #[test]
    fn defaults_are_as_documented() {
        let settings = Settings::new("secret".into());
        assert!(settings.validate().is_ok());
        assert_eq!(settings.try_timeout, Duration::from_secs(30));
        let pauses = [0, 1, 2, 3, 4].map(|number| settings.backoff.delay(number).as_secs());
        assert_eq!(pauses, [4, 8, 16, 30, 30]);
        assert_eq!(settings.requests_per_second.get(), 5);
        assert_eq!((settings.tries, settings.answer_cap_bytes), (3, 1_048_576));
        assert_eq!((settings.breaker.failures, settings.breaker.open_for.as_secs()), (5, 60));
    }

    #[test]
    fn rejects_invalid_urls_without_quoting_them() {
        for wrong in [
            "",
            "pidkey.com",
            "ftp://pidkey.com/",
            "file:///etc/passwd",
            "https://pidkey.com/?apikey=S3CRET",
            "https://S3CRET@pidkey.com/",
            "https://pidkey.com/#S3CRET",
            "http://",
        ] {
            let error = with_base_url(wrong).unwrap_err().to_string();
            assert!(error.contains("base_url") && error.contains("https://"), "{error}");
            assert!(!error.contains("S3CRET"), "{error}");
        }
        assert!(with_base_url("http://127.0.0.1:8099/ajax/pidms_api").is_ok());
    }

    #[test]
    fn rejects_values_out_of_range() {
        let good = Settings::new("secret".into());
        for (wrong, name) in [
            (Settings { tries: 0, ..good.clone() }, "tries"),
            (Settings { tries: 11, ..good.clone() }, "tries"),
            (Settings { try_timeout: Duration::ZERO, ..good.clone() }, "try_timeout"),
            (Settings { answer_cap_bytes: 0, ..good.clone() }, "answer_cap_bytes"),
        ] {
            let error = wrong.validate().unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
