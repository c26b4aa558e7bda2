//! What the stand-in shall do, for how many requests, and what it has seen: its memory.

use serde::{Deserialize, Serialize};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The longest delay that can be asked for: beyond it a request is as good as hanging.
const DELAY_MS_MAX: u64 = 300_000;

/// How requests are answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// As PIDKey.com answers on a good day.
    #[default]
    Ok,
    /// Status 429 with a `Retry-After` (60 unless told otherwise).
    RateLimited,
    /// Status 429 that does not say for how long.
    RateLimitedWithoutRetryAfter,
    /// Status 401, whatever the API key.
    Unauthorized,
    /// Status 403.
    Forbidden,
    /// Status 500 with an HTML page.
    ServerError,
    /// Status 200 with an HTML page.
    Garbage,
    /// Status 200 with a JSON array that is cut in the middle, though the message itself is whole.
    CutJson,
    /// More bytes are promised than sent, then the connection is closed.
    Truncated,
    /// A byte at a time, slower than anybody waits.
    SlowDrip,
    /// No answer at all, until the client leaves or five minutes are over.
    Hang,
    /// Status 302 to the same address.
    Redirect,
    /// A JSON array of 64 MiB.
    Oversized,
    /// Status 200 with an object that has no `keyname`, as the sister services report their errors.
    Object,
    /// The answer for the first key as a bare object instead of an array.
    SingleObject,
    /// Every other key is left out, the first of the rest is answered twice, and a key that nobody asked for is added.
    Uneven,
}

/// What to do from now on: the body of `POST /control`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// How to answer.
    pub mode: Mode,
    /// `Retry-After` of mode `rate_limited`, sent as it stands: seconds, an HTTP date, or nonsense.
    #[serde(default, deserialize_with = "seconds_or_text", skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<String>,
    /// For how many requests; then all is well again. For good when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// Milliseconds to wait before each answer, at most 300,000.
    #[serde(default)]
    pub delay_ms: u64,
}

impl Control {
    /// Answers as `mode` says, without a limit of requests and without delay.
    pub fn mode(mode: Mode) -> Self {
        Self { mode, ..Self::default() }
    }

    /// The same for the next `times` requests only.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times: Some(times), ..self }
    }

    /// The same with this `Retry-After`.
    #[must_use]
    pub fn retry_after(self, value: impl Into<String>) -> Self {
        Self { retry_after: Some(value.into()), ..self }
    }

    /// The wait before each answer.
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

/// What was seen since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// Requests for keys, whatever became of them.
    pub requests: u64,
    /// Keys in these requests, repetitions counted.
    pub keys: u64,
    /// The query of the last request as it stood on the wire, API key included: for tests, never shown by a route.
    #[serde(skip)]
    pub last_query: String,
}

/// What `GET /control` shows.
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

/// The memory that all requests share.
#[derive(Debug, Default)]
pub(crate) struct State(Mutex<Memory>);

impl State {
    /// `times: 0` is no request at all, so it is the same as all being well.
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

    /// Counts one request for `keys` keys and says how it is to be answered.
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
    fn a_mode_for_two_requests_ends_after_two() {
        let state = State::default();
        state.set(Control::mode(Mode::Hang).times(2));
        let modes = [(); 4].map(|()| state.arrive("", 1).mode);
        assert_eq!(modes, [Mode::Hang, Mode::Hang, Mode::Ok, Mode::Ok]);
        assert_eq!(state.seen().requests, 4);
        assert_eq!(state.report().control, Control::default(), "and the report says so");
    }

    #[test]
    fn retry_after_is_taken_as_a_number_or_as_text() {
        let read = |text| serde_json::from_str::<Control>(text).unwrap().retry_after;
        assert_eq!(read(r#"{"mode":"rate_limited","retry_after":7}"#).as_deref(), Some("7"));
        assert_eq!(read(r#"{"mode":"rate_limited","retry_after":"soon"}"#).as_deref(), Some("soon"));
        assert_eq!(read(r#"{"mode":"rate_limited"}"#), None);
    }

    #[test]
    fn an_unknown_mode_or_member_is_refused() {
        assert!(serde_json::from_str::<Control>(r#"{"mode":"upside_down"}"#).is_err());
        assert!(serde_json::from_str::<Control>(r#"{"mode":"ok","tmies":3}"#).is_err());
    }
}
