//! The client: checks up to fifty keys with one GET request, including retries.

use crate::gate::Gate;
use crate::wire::{self, Answer};
use crate::{Checked, Error, ProductKey, Settings, retry_after};
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};
use reqwest::{Response, StatusCode, Url, redirect};
use secrecy::ExposeSecret;
use std::error::Error as _;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use steadfast_resilience::{Class, Classify, Deadline, Retry, Snapshot};
use tokio::time::Instant;

/// Maximum number of keys per request. Keys are part of the URL, whose length is limited.
pub const MAX_KEYS: usize = 50;

/// Time after which idle connections are closed; less than the 5 s of common servers. A request on a connection that the
/// server closes fails and is not retried, because it may have been processed.
const IDLE_CONNECTION: Duration = Duration::from_secs(4);
/// Maximum length of reasons from the HTTP library, in characters.
const REASON_CHARS: usize = 200;

/// Client of PIDKey.com. Cheap to clone; clones share connections, limits and the circuit breaker.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    http: reqwest::Client,
    base_url: Url,
    settings: Settings,
    gate: Gate,
    /// Shared by all checks, so that its budget limits all retries during an outage.
    retry: Retry,
}

/// Failure of one attempt.
struct Failure {
    error: Error,
    /// True if a retry may succeed and cannot cost a second activation.
    is_repeatable: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { is_repeatable: error == Error::Timeout, error }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}

impl Client {
    /// Creates a client without sending anything.
    ///
    /// # Errors
    /// Returns [`Error::Settings`] if a value is invalid, or if TLS cannot be set up on this machine.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        let base_url = settings.validate()?;
        let http = http_client(&base_url)?;
        let gate = Gate::new(settings.breaker, settings.requests_per_second);
        let retry = Retry::new(settings.tries - 1, settings.backoff).on(|class| class == Class::Unavailable);
        Ok(Self { shared: Arc::new(Shared { http, base_url, settings, gate, retry }) })
    }

    /// Checks `keys` and returns their results in the same order. Sends no request for an empty slice.
    ///
    /// Returns by `deadline`. A retry starts only if its full time is left. Dropping the future cancels the request and
    /// leaks nothing.
    ///
    /// # Errors
    /// Returns [`Error::TooManyKeys`] beyond [`MAX_KEYS`], or the [`Error`] of the last attempt.
    pub async fn check(&self, keys: &[ProductKey], deadline: Deadline) -> Result<Vec<Checked>, Error> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        if keys.len() > MAX_KEYS {
            return Err(Error::TooManyKeys { given: keys.len() });
        }
        let start = Instant::now();
        tracing::debug!(keys_count = keys.len(), "PIDKey.com check started");
        let mut tries = 0;
        let outcome = self.shared.answer(keys, deadline, &mut tries).await;
        log(keys.len(), start.elapsed(), tries, &outcome);
        outcome.map(|answer| answer.checked)
    }

    /// Returns the state of the circuit breaker, for health checks.
    pub fn breaker(&self) -> Snapshot {
        self.shared.gate.breaker()
    }
}

impl Shared {
    /// Retries until there is an answer or a final error. Counts the attempts in `tries`.
    async fn answer(
        &self,
        keys: &[ProductKey],
        deadline: Deadline,
        tries: &mut u32,
    ) -> Result<Answer, Error> {
        let url = request_url(&self.base_url, keys, self.settings.api_key.expose_secret());
        let try_timeout = self.settings.try_timeout;
        let latest_start = Deadline::after(deadline.remaining().saturating_sub(try_timeout));
        let mut attempts = self.retry.attempts(latest_start);
        let (mut start_by, mut last) = (deadline, None);
        loop {
            *tries += 1;
            let failure = match self.one_try(&url, keys, start_by, deadline).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let error = match (failure.error, last) {
                // A retry without a slot is not sent, so the error of the previous attempt is final.
                (Error::Busy { .. }, Some(last)) => return Err(last),
                (error, _) => error,
            };
            let delay = if failure.is_repeatable { attempts.delay_after(&error) } else { None };
            let Some(delay) = delay else { return Err(error) };
            let (delay_ms, outcome) = (millis(delay), error.kind());
            tracing::warn!(try_number = *tries, delay_ms, outcome, "PIDKey.com did not answer, retrying");
            tokio::time::sleep(delay).await;
            (start_by, last) = (latest_start, Some(error));
        }
    }

    /// Sends one request by `start_by` and ends by `deadline`.
    ///
    /// An attempt that the caller's deadline ends early does not count for the breaker: its permit records no outcome.
    async fn one_try(
        &self,
        url: &Url,
        keys: &[ProductKey],
        start_by: Deadline,
        deadline: Deadline,
    ) -> Result<Answer, Failure> {
        if deadline.has_passed() {
            return Err(Error::Timeout.into());
        }
        let permit = self.gate.pass(start_by).await?;
        let end = deadline.at_most(self.settings.try_timeout);
        let outcome = match tokio::time::timeout_at(end.instant(), self.exchange(url, keys)).await {
            Ok(outcome) => outcome,
            Err(_) if end == deadline => return Err(Error::Timeout.into()),
            Err(_) => Err(Error::Timeout.into()),
        };
        if let Err(Failure { error: Error::RateLimited { retry_after }, .. }) = outcome {
            tracing::warn!(retry_after_s = retry_after.as_secs(), "rate limited by PIDKey.com");
            self.gate.pause(retry_after);
        }
        permit.record(outcome.as_ref().err().map(|failure| failure.error.class()));
        outcome
    }

    async fn exchange(&self, url: &Url, keys: &[ProductKey]) -> Result<Answer, Failure> {
        let response = self.http.get(url.clone()).send().await.map_err(unreachable)?;
        match response.status() {
            status if status.is_success() => {}
            StatusCode::UNAUTHORIZED => return Err(Error::Unauthorized.into()),
            StatusCode::TOO_MANY_REQUESTS => return Err(rate_limited(response.headers()).into()),
            status => return Err(Error::Status(status.as_u16()).into()),
        }
        let body = body(response, self.settings.answer_cap_bytes).await?;
        Ok(wire::read(&body, keys)?)
    }
}

/// Builds the HTTP client without redirects, retries, proxies and referers, which could disclose the URL or repeat a
/// request.
fn http_client(base_url: &Url) -> Result<reqwest::Client, Error> {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("steadfast-pidkey/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        // The HTTP/2 library traces header fields, and the path contains the API key.
        .http1_only()
        .pool_idle_timeout(IDLE_CONNECTION);
    // Plain HTTP must work on machines without certificates.
    let builder = if base_url.scheme() == "http" { builder.tls_certs_only([]) } else { builder };
    builder.build().map_err(|error| Error::Settings(format!("TLS cannot be set up: {}", root_cause(&error))))
}

/// Returns the URL for `keys`, joined by CR LF (`%0D%0A`) and without duplicates.
fn request_url(base_url: &Url, keys: &[ProductKey], api_key: &str) -> Url {
    let mut lines: Vec<String> = Vec::with_capacity(keys.len());
    for line in keys.iter().map(ProductKey::dashed) {
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    let mut url = base_url.clone();
    url.query_pairs_mut()
        .append_pair("keys", &lines.join("\r\n"))
        .append_pair("justgetdescription", "0")
        .append_pair("apikey", api_key);
    url
}

async fn body(mut response: Response, cap_bytes: usize) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(broken_body)? {
        if body.len() + chunk.len() > cap_bytes {
            return Err(Error::TooLarge { cap_bytes });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn rate_limited(headers: &HeaderMap) -> Error {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let retry_after = retry_after::parse(text(RETRY_AFTER), text(DATE), SystemTime::now());
    Error::RateLimited { retry_after }
}

fn unreachable(error: reqwest::Error) -> Failure {
    if error.is_timeout() {
        return Error::Timeout.into();
    }
    // Without a connection nothing was sent. A connection that broke later may have transmitted the request.
    Failure { is_repeatable: error.is_connect(), error: Error::Unreachable(root_cause(&error)) }
}

fn broken_body(error: reqwest::Error) -> Error {
    if error.is_timeout() { Error::Timeout } else { Error::Body("it broke off before its end") }
}

/// Returns the text of the innermost error. The outermost one contains the URL.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause = match error.source() {
        Some(cause) => cause,
        None => return "the HTTP client gave no reason".to_owned(),
    };
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string().chars().take(REASON_CHARS).collect()
}

/// Logs the outcome at level debug, because the caller logs it at the level that fits its use.
fn log(keys_count: usize, duration: Duration, tries: u32, outcome: &Result<Answer, Error>) {
    let duration_ms = millis(duration);
    match outcome {
        Ok(Answer { missing, strangers, .. }) => tracing::debug!(
            keys_count,
            duration_ms,
            tries,
            outcome = "ok",
            keys_missing = missing,
            keys_not_asked = strangers,
            "PIDKey.com check finished"
        ),
        Err(error) => tracing::debug!(
            keys_count,
            duration_ms,
            tries,
            outcome = error.kind(),
            class = error.class().as_str(),
            %error,
            "PIDKey.com check failed"
        ),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_has_the_documented_format() {
        let base_url = Url::parse(crate::DEFAULT_BASE_URL).unwrap();
        let first = ProductKey::parse("6NRGDKHFCFY4TF7PRWFDYBF3H").unwrap();
        let second = ProductKey::parse("22222333334444466666XXXXX").unwrap();
        assert_eq!(
            request_url(&base_url, &[first, second, first], "ab&c").as_str(),
            "https://pidkey.com/ajax/pidms_api?keys=6NRGD-KHFCF-Y4TF7-PRWFD-YBF3H%0D%0A22222-33333-44444-66666-XXXXX\
             &justgetdescription=0&apikey=ab%26c"
        );
    }
}
