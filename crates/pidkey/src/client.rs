//! The client: one GET for up to fifty keys, its tries, and what is made of the answer.

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

/// The keys that one request may carry: they travel in the address, which must not grow without limit.
pub const MAX_KEYS: usize = 50;

/// Time after which an idle connection is closed: less than the 5 s of common servers. A request on a connection that is
/// being closed fails, and is not repeated since it may have been processed.
const IDLE_CONNECTION: Duration = Duration::from_secs(4);
/// The longest reason that is quoted from the HTTP library, in characters.
const REASON_CHARS: usize = 200;

/// A client of PIDKey.com. Cheap to clone; clones share connections, limits, silence and breaker.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    http: reqwest::Client,
    base_url: Url,
    settings: Settings,
    gate: Gate,
    /// Shared by all checks, so that its budget limits the repetitions of all while nothing is answered.
    retry: Retry,
}

/// Why one try failed.
struct Failure {
    error: Error,
    /// Whether a later try is likely to succeed and cannot cost the key a second activation.
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
    /// A client with `settings`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Settings`] when a value is not allowed, or when TLS cannot be set up on this machine.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        let base_url = settings.validate()?;
        let http = http_client(&base_url)?;
        let gate = Gate::new(settings.breaker, settings.requests_per_second);
        let retry = Retry::new(settings.tries - 1, settings.backoff).on(|class| class == Class::Unavailable);
        Ok(Self { shared: Arc::new(Shared { http, base_url, settings, gate, retry }) })
    }

    /// Asks for `keys` and returns what is said of each, in the same order; no keys, no request.
    ///
    /// Returns by `deadline`. The first try has the time that is left until then; a repetition starts only if it has its
    /// full time. Dropping the future ends the request and leaves nothing behind.
    ///
    /// # Errors
    /// [`Error::TooManyKeys`] beyond [`MAX_KEYS`], and everything else that [`Error`] names.
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

    /// The breaker in front of PIDKey.com, for health answers.
    pub fn breaker(&self) -> Snapshot {
        self.shared.gate.breaker()
    }
}

impl Shared {
    /// Tries until there is an answer or a final error. `tries` counts.
    async fn answer(
        &self,
        keys: &[ProductKey],
        deadline: Deadline,
        tries: &mut u32,
    ) -> Result<Answer, Error> {
        let url = address(&self.base_url, keys, self.settings.api_key.expose_secret());
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
                // A repetition that finds no slot in time is not started, so the try before it was the last.
                (Error::Busy { .. }, Some(last)) => return Err(last),
                (error, _) => error,
            };
            let delay = if failure.is_repeatable { attempts.delay_after(&error) } else { None };
            let Some(delay) = delay else { return Err(error) };
            let (delay_ms, outcome) = (millis(delay), error.kind());
            tracing::warn!(try_number = *tries, delay_ms, outcome, "PIDKey.com did not answer, trying again");
            tokio::time::sleep(delay).await;
            (start_by, last) = (latest_start, Some(error));
        }
    }

    /// One request, sent by `start_by` and over by `deadline`.
    ///
    /// A try that the caller's deadline cut short says nothing of PIDKey.com; its permit goes back without an outcome.
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
            self.gate.keep_silence(retry_after);
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

/// Everything that could send the address elsewhere, repeat a request or wait on its own is switched off.
fn http_client(base_url: &Url) -> Result<reqwest::Client, Error> {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("steadfast-pidkey/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        // One request at a time needs no HTTP/2, whose library traces header fields: the path holds the API key.
        .http1_only()
        .pool_idle_timeout(IDLE_CONNECTION);
    // A plain address needs no certificates, and must not fail where the machine has none.
    let builder = if base_url.scheme() == "http" { builder.tls_certs_only([]) } else { builder };
    builder.build().map_err(|error| Error::Settings(format!("TLS cannot be set up: {}", root_cause(&error))))
}

/// The keys joined by CR LF, which leaves as `%0D%0A`; a key that was given twice is sent once.
fn address(base_url: &Url, keys: &[ProductKey], api_key: &str) -> Url {
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
    // Without a connection nothing was sent. A connection that broke later may have carried the request.
    Failure { is_repeatable: error.is_connect(), error: Error::Unreachable(root_cause(&error)) }
}

fn broken_body(error: reqwest::Error) -> Error {
    if error.is_timeout() { Error::Timeout } else { Error::Body("it broke off before its end") }
}

/// The text of the innermost error. The outermost one, which holds the address, is never shown.
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

/// At level debug: who asked gets the outcome, and logs it with what it means there.
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
    fn the_address_is_the_documented_one() {
        let base_url = Url::parse(crate::DEFAULT_BASE_URL).unwrap();
        let first = ProductKey::parse("6NRGDKHFCFY4TF7PRWFDYBF3H").unwrap();
        let second = ProductKey::parse("22222333334444466666XXXXX").unwrap();
        assert_eq!(
            address(&base_url, &[first, second, first], "ab&c").as_str(),
            "https://pidkey.com/ajax/pidms_api?keys=6NRGD-KHFCF-Y4TF7-PRWFD-YBF3H%0D%0A22222-33333-44444-66666-XXXXX\
             &justgetdescription=0&apikey=ab%26c"
        );
    }
}
