//! What a client can be told, each value with its unit, its default and the reason for it.

use crate::Error;
use reqwest::Url;
use secrecy::SecretString;
use std::num::NonZeroU32;
use std::time::Duration;
use steadfast_resilience::{Backoff, BreakerConfig, Jitter};

/// Where PIDKey.com answers.
pub const DEFAULT_BASE_URL: &str = "https://pidkey.com/ajax/pidms_api";

const REQUESTS_PER_SECOND: NonZeroU32 = NonZeroU32::MIN.saturating_add(4);
const TRIES_MAX: u32 = 10;

/// Settings of a [`Client`](crate::Client). Start from [`Settings::new`] and change what differs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The address without a query. Default [`DEFAULT_BASE_URL`]; `http` is for a stand-in, since the API key travels
    /// in the address.
    pub base_url: String,
    /// The API key of the account. No default. An empty one is sent as it is, and PIDKey.com answers 401.
    pub api_key: SecretString,
    /// The time for one try, from the connection to the last byte. Default 30 s; PIDKey.com asks Microsoft for each key,
    /// so seconds are usual. A try that the caller's deadline cuts shorter than this does not count for the breaker.
    pub try_timeout: Duration,
    /// Maximum number of tries, 1 to 10, including the first one. Defaults to 3. Only timeouts and failed connects are
    /// repeated, since a check may cost a retail key an activation.
    pub tries: u32,
    /// The pause before each repetition. Default 4 s, doubling, at most 30 s, no jitter: the own limit spreads already.
    pub backoff: Backoff,
    /// Requests a second that leave this client, and how many may leave at once after a pause. Default 5. PIDKey.com
    /// publishes no limit and answers 429 beyond it; five requests carry 250 keys, more than people paste, and a loop
    /// gone wild is held back.
    pub requests_per_second: NonZeroU32,
    /// The longest answer that is read, in bytes. Default 1 MiB; fifty keys make about 25 KiB.
    pub answer_cap_bytes: usize,
    /// When PIDKey.com is left alone for a while. Default: after 5 failures in a row, for 60 s.
    pub breaker: BreakerConfig,
}

impl Settings {
    /// The defaults with this API key.
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

    /// The address, when all values are allowed.
    pub(crate) fn validate(&self) -> Result<Url, Error> {
        if !(1..=TRIES_MAX).contains(&self.tries) {
            return refuse(format!("tries must be from 1 to {TRIES_MAX}, not {}", self.tries));
        }
        if self.try_timeout.is_zero() {
            return refuse("try_timeout must be longer than nothing");
        }
        if self.answer_cap_bytes == 0 {
            return refuse("answer_cap_bytes must be at least 1; the default of 1048576 fits");
        }
        base_url(&self.base_url)
    }
}

/// The value is not repeated in the error: an address with the API key in its query is the likeliest slip.
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
    fn the_defaults_are_the_documented_ones() {
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
    fn a_wrong_address_is_refused_and_not_repeated() {
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
    fn values_out_of_range_are_refused_by_name() {
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
