//! State of the sandbox: the requested behaviour and the requests so far.

use serde::{Deserialize, Serialize};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Maximum delay of a response, in milliseconds.
const DELAY_MS_MAX: u64 = 300_000;

/// Behaviour of the sandbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Normal responses.
    #[default]
    Ok,
    /// Status 429 with a `Retry-After`, 60 by default.
    RateLimited,
    /// Status 429 without a `Retry-After`.
    RateLimitedWithoutRetryAfter,
    /// Status 401 for any API key.
    Unauthorized,
    /// Status 403.
    Forbidden,
    /// Status 500 with an HTML page.
    ServerError,
    /// Status 200 with an HTML page.
    Garbage,
    /// Status 200 with half of a JSON array in a complete message.
    CutJson,
    /// Fewer bytes than `Content-Length`, then the connection closes.
    Truncated,
    /// One byte every 100 ms.
    SlowDrip,
    /// No response until the client disconnects or five minutes have passed.
    Hang,
    /// Status 302 to the same address.
    Redirect,
    /// A JSON array of 64 MiB.
    Oversized,
    /// Status 200 with an object without `keyname`, as related services report errors.
    Object,
    /// Object for the first key instead of an array.
    SingleObject,
    /// Every other key is missing, one is duplicated, and one that was not requested is added.
    Uneven,
}

/// Requested behaviour: the body of `POST /control`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// Behaviour of the sandbox.
    pub mode: Mode,
    /// `Retry-After` of the mode `rate_limited`, sent unchanged: seconds, an HTTP date, or invalid text.
    #[serde(default, deserialize_with = "seconds_or_text", skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<String>,
    /// Number of requests with this mode, after which it is `ok` again. Unlimited by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// Milliseconds to wait before each answer, at most 300,000.
    #[serde(default)]
    pub delay_ms: u64,
}

impl Control {
    /// Returns a control message for `mode`, without delay and for an unlimited number of requests.
    pub fn mode(mode: Mode) -> Self {
        Self { mode, ..Self::default() }
    }

    /// Limits the mode to the next `times` requests.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times: Some(times), ..self }
    }

    /// Sets the value of `Retry-After`.
    #[must_use]
    pub fn retry_after(self, value: impl Into<String>) -> Self {
        Self { retry_after: Some(value.into()), ..self }
    }

    /// Returns the delay of each response.
    pub(crate) fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms.min(DELAY_MS_MAX))
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum SecondsOrText {
    Seconds(i64),
    Text(String),
}

fn seconds_or_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let value = Option::<SecondsOrText>::deserialize(deserializer)?;
    Ok(value.map(|value| match value {
        SecondsOrText::Seconds(seconds) => seconds.to_string(),
        SecondsOrText::Text(text) => text,
    }))
}

/// Requests since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// Number of requests for keys, with any outcome.
    pub requests: u64,
    /// Number of keys in these requests, duplicates included.
    pub keys: u64,
    /// Query string of the last request, API key included. Available to tests only, not to a route.
    #[serde(skip)]
    pub last_query: String,
}

/// Response of `GET /control`.
#[derive(Serialize)]
pub(crate) struct Report {
    #[serde(flatten)]
    control: Control,
    #[serde(flatten)]
    seen: Seen,
}

#[derive(Debug, Default)]
struct Memory {
    control: Control,
    seen: Seen,
}

/// State that all requests share.
#[derive(Debug, Default)]
pub(crate) struct State(Mutex<Memory>);

impl State {
    /// Sets the behaviour. `times: 0` resets it.
    pub(crate) fn set(&self, control: Control) {
        self.lock().control = if control.times == Some(0) { Control::default() } else { control };
    }

    pub(crate) fn seen(&self) -> Seen {
        self.lock().seen.clone()
    }

    pub(crate) fn report(&self) -> Report {
        let memory = self.lock();
        Report { control: memory.control.clone(), seen: memory.seen.clone() }
    }

    /// Records a request for `keys` keys and returns the behaviour for it.
    pub(crate) fn arrive(&self, query: &str, keys: usize) -> Control {
        let mut memory = self.lock();
        memory.seen.requests += 1;
        memory.seen.keys += keys as u64;
        query.clone_into(&mut memory.seen.last_query);
        match memory.control.times {
            Some(1) => std::mem::take(&mut memory.control),
            left => {
                memory.control.times = left.map(|times| times - 1);
                memory.control.clone()
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_end_after_their_number_of_requests() {
        let state = State::default();
        state.set(Control::mode(Mode::Hang).times(2));
        let modes = [(); 4].map(|()| state.arrive("", 1).mode);
        assert_eq!(modes, [Mode::Hang, Mode::Hang, Mode::Ok, Mode::Ok]);
        assert_eq!(state.seen().requests, 4);
        assert_eq!(state.report().control, Control::default());
    }

    #[test]
    fn retry_after_is_a_number_or_text() {
        let read = |text| serde_json::from_str::<Control>(text).unwrap().retry_after;
        assert_eq!(read(r#"{"mode":"rate_limited","retry_after":7}"#).as_deref(), Some("7"));
        assert_eq!(read(r#"{"mode":"rate_limited","retry_after":"soon"}"#).as_deref(), Some("soon"));
        assert_eq!(read(r#"{"mode":"rate_limited"}"#), None);
    }

    #[test]
    fn unknown_modes_and_members_are_rejected() {
        assert!(serde_json::from_str::<Control>(r#"{"mode":"upside_down"}"#).is_err());
        assert!(serde_json::from_str::<Control>(r#"{"mode":"ok","tmies":3}"#).is_err());
    }
}
