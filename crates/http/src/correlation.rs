//! Correlation ids: one per request, accepted from the client or generated, in every answer and every log line.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use serde::{Serialize, Serializer};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tracing::Instrument;
use tracing::field::Empty;

/// Header of the id in requests and answers.
const HEADER: HeaderName = HeaderName::from_static("x-correlation-id");

/// Header of the client's trace, in the W3C format.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Maximum length of an accepted id.
const LENGTH_MAX: usize = 128;

tokio::task_local! {
    static CURRENT: CorrelationId;
}

/// Id of a request: 1 to 128 letters, digits, dots, underscores or dashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CorrelationId(Arc<str>);

impl Serialize for CorrelationId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl CorrelationId {
    /// Parses an id. Returns `None` if it could harm in a header or a log line.
    fn parse(text: &str) -> Option<Self> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let fits = (1..=LENGTH_MAX).contains(&text.len()) && text.bytes().all(allowed);
        fits.then(|| Self(text.into()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Generates an id that is sortable by time: a UUID of version 7. Uses the random number generator of the thread,
    /// because the operating system's costs a system call for each id.
    fn generate() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let id = uuid::Builder::from_unix_timestamp_millis(millis, &rand::random()).into_uuid();
        Self((&*id.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer())).into())
    }
}

/// Returns the id of the current request, or a new one outside of requests.
pub(crate) fn current() -> CorrelationId {
    CURRENT.try_with(CorrelationId::clone).unwrap_or_else(|_| CorrelationId::generate())
}

/// Trace that the client continues.
#[derive(Debug, PartialEq, Eq)]
struct Trace<'a> {
    trace_id: &'a str,
    parent_id: &'a str,
}

impl<'a> Trace<'a> {
    /// Parses a `traceparent` header. Returns `None` if it does not have the W3C format.
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, trace_id, parent_id, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        // A later version may append parts; version 00 may not, and ff is forbidden.
        let version_fits =
            is_hex(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
        let ids_fit = is_hex(trace_id, 32) && is_hex(parent_id, 16) && is_hex(flags, 2);
        let set = |id: &str| id.bytes().any(|b| b != b'0');
        (version_fits && ids_fit && set(trace_id) && set(parent_id)).then_some(Self { trace_id, parent_id })
    }
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Runs `next` with the id of the request as current one, and adds the id to the answer.
pub(crate) async fn assign<F>(request: Request, next: impl FnOnce(Request) -> F) -> Response
where
    F: Future<Output = Response>,
{
    let presented = text_of(request.headers(), &HEADER).and_then(CorrelationId::parse);
    let id = presented.unwrap_or_else(CorrelationId::generate);
    let span = span(&id, request.headers());
    let mut response = CURRENT.scope(id.clone(), next(request).instrument(span)).await;
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}

/// Returns the span of a request. It has level error, so that the id is in log lines of every enabled level.
fn span(id: &CorrelationId, headers: &HeaderMap) -> tracing::Span {
    let span = tracing::error_span!("request", correlation_id = &*id.0, trace_id = Empty, parent_id = Empty);
    if let Some(trace) = text_of(headers, &TRACEPARENT).and_then(Trace::parse) {
        span.record("trace_id", trace.trace_id);
        span.record("parent_id", trace.parent_id);
    }
    span
}

fn text_of<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_ids_that_could_forge_log_lines() {
        assert!(CorrelationId::parse("order-7_2.a").is_some());
        for bad in ["", "a b", "a\nb", "a\"b", "é", &"a".repeat(129)] {
            assert_eq!(CorrelationId::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn accepts_traces_only_in_standard_format() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let trace = Trace::parse(good).expect("a trace");
        assert_eq!(trace.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(trace.parent_id, "00f067aa0ba902b7");
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        ] {
            assert_eq!(Trace::parse(bad), None, "{bad:?}");
        }
    }
}
