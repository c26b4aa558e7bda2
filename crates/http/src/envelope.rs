//! The body of a success: the data, a sentence about it, and the fields that relate the answer to its log lines.

use crate::correlation::{self, CorrelationId};
use crate::problem::Problem;
use axum::body::Body as HttpBody;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use steadfast_domain::page::{Page, Pagination};
use steadfast_domain::version::Version;
use steadfast_repository::audit::Created;
use utoipa::ToSchema;

/// Last fields of every body.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Stamp {
    /// Relates the answer to its log lines; also in the header `X-Correlation-ID`.
    #[schema(value_type = String)]
    correlation_id: CorrelationId,
    /// Time of the answer, UTC.
    #[serde(serialize_with = "milliseconds")]
    timestamp: DateTime<Utc>,
}

impl Stamp {
    /// Creates the stamp of an answer to the current request.
    pub(crate) fn now() -> Self {
        Self { correlation_id: correlation::current(), timestamp: Utc::now() }
    }
}

fn milliseconds<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// Answer to a request that succeeded. Its status is 200, or 201 if it created a resource.
#[derive(Debug)]
pub(crate) struct Envelope<T> {
    data: T,
    message: Cow<'static, str>,
    pagination: Option<Pagination>,
    etag: Option<HeaderValue>,
    creation: Option<Creation>,
}

/// Creation that an answer reports.
#[derive(Debug)]
struct Creation {
    location: String,
    is_repeated: bool,
}

/// Header of an answer to a creation: `true` if an earlier request with the same `Idempotency-Key` created the resource.
pub(crate) const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

impl<T> Envelope<T> {
    /// Creates an answer with `data` and a sentence about it.
    pub(crate) fn new(data: T, message: impl Into<Cow<'static, str>>) -> Self {
        Self { data, message: message.into(), pagination: None, etag: None, creation: None }
    }

    /// Creates an answer of status 201. `path` is the template of the resource's path, which ends with its id.
    pub(crate) fn created(
        path: &str,
        created: &Created,
        data: T,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        let parent = path.rfind('{').map_or(path, |id| &path[..id]);
        let location = format!("{parent}{}", created.id);
        let creation = Some(Creation { location, is_repeated: created.is_repeated });
        Self { creation, ..Self::new(data, message).of_version(Version::FIRST) }
    }

    /// Adds the `ETag` of the resource, by which the next change refers to this version.
    #[must_use]
    pub(crate) fn of_version(self, version: Version) -> Self {
        Self { etag: HeaderValue::from_str(&version.tag()).ok(), ..self }
    }

    /// Creates the answer for a page of a list, with `data` made of its items. The message counts them as `noun`.
    pub(crate) fn page<I>(page: Page<I>, noun: &str, data: impl FnOnce(Vec<I>) -> T) -> Self {
        let message = page.summary(noun);
        let pagination = Some(page.pagination);
        Self { pagination, ..Self::new(data(page.items), message) }
    }
}

#[derive(Serialize)]
struct Body<T> {
    success: bool,
    data: T,
    message: Cow<'static, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pagination: Option<Pagination>,
    #[serde(flatten)]
    stamp: Stamp,
}

impl<T: Serialize> IntoResponse for Envelope<T> {
    fn into_response(self) -> Response {
        let Self { data, message, pagination, etag, creation } = self;
        let mut response = json(&Body { success: true, data, message, pagination, stamp: Stamp::now() });
        if let Some(etag) = etag {
            response.headers_mut().insert(header::ETAG, etag);
        }
        if let Some(Creation { location, is_repeated }) = creation {
            *response.status_mut() = StatusCode::CREATED;
            let replayed = HeaderValue::from_static(if is_repeated { "true" } else { "false" });
            response.headers_mut().insert(IDEMPOTENCY_REPLAYED, replayed);
            if let Ok(location) = HeaderValue::try_from(location) {
                response.headers_mut().insert(header::LOCATION, location);
            }
        }
        response
    }
}

/// Capacity in bytes that suffices for most answers.
const CAPACITY: usize = 1024;

/// Creates an answer with `body` as JSON. `axum::Json` would write each of the many small parts into a `BytesMut`, which
/// takes far more instructions than a `Vec`.
fn json(body: &impl Serialize) -> Response {
    let mut bytes = Vec::with_capacity(CAPACITY);
    if let Err(error) = serde_json::to_writer(&mut bytes, body) {
        return Problem::panicked(&error.to_string()).into_response();
    }
    let mut response = Response::new(HttpBody::from(bytes));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_utc_with_milliseconds() {
        let stamp = serde_json::to_value(Stamp::now()).expect("JSON");
        let text = stamp["timestamp"].as_str().expect("a text");
        assert!(text.ends_with('Z') && text.len() == "2026-01-01T00:00:00.000Z".len(), "{text}");
    }
}
