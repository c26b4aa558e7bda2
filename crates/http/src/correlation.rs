//! One id per request: taken over from the caller or made, sent back on every answer, written on every log line.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use serde::{Serialize, Serializer};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tracing::Instrument;
use tracing::field::Empty;

/// Carries the id in both directions.
const HEADER: HeaderName = HeaderName::from_static("x-correlation-id");

/// Carries the caller's trace, in the W3C form.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The longest id that is taken over.
const LENGTH_MAX: usize = 128;

tokio::task_local! {
    static CURRENT: CorrelationId;
}

/// The id of one request: 1 to 128 letters, digits, dots, underscores or dashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CorrelationId(Arc<str>);

impl Serialize for CorrelationId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl CorrelationId {
    /// The id in `text`; `None` when it could do harm in a header or a log line.
    fn parse(text: &str) -> Option<Self> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let fits = (1..=LENGTH_MAX).contains(&text.len()) && text.bytes().all(allowed);
        fits.then(|| Self(text.into()))
    }

    /// The id as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// A new id, sortable by time: a UUID of version 7. Its randomness comes from the generator of the thread, because
    /// the operating system's costs a call for each id.
    fn generate() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let id = uuid::Builder::from_unix_timestamp_millis(millis, &rand::random()).into_uuid();
        Self((&*id.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer())).into())
    }
}

/// The id of the request that is being served; a new one outside of any.
pub(crate) fn current() -> CorrelationId {
    CURRENT.try_with(CorrelationId::clone).unwrap_or_else(|_| CorrelationId::generate())
}

/// The trace that the caller goes on with.
#[derive(Debug, PartialEq, Eq)]
struct Trace<'a> {
    trace_id: &'a str,
    parent_id: &'a str,
}

impl<'a> Trace<'a> {
    /// The trace in a `traceparent` header; `None` when it does not follow the W3C form.
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

/// Runs `next` under the id of the request and sends the id back.
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

/// At level error, so that the id stands on log lines of every level that is written at all.
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
    fn an_id_that_could_forge_a_log_line_is_not_taken_over() {
        assert!(CorrelationId::parse("order-7_2.a").is_some());
        for bad in ["", "a b", "a\nb", "a\"b", "é", &"a".repeat(129)] {
            assert_eq!(CorrelationId::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_trace_is_continued_only_in_its_standard_form() {
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
