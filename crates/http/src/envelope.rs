//! The shape of a success: the data, a sentence about it, and what ties the answer to its log lines.

use crate::correlation::{self, CorrelationId};
use axum::Json;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use steadfast_domain::page::{Page, Pagination};
use utoipa::ToSchema;

/// What every answer ends with.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Stamp {
    /// Ties the answer to its log lines; also in the header `X-Correlation-ID`.
    #[schema(value_type = String)]
    correlation_id: CorrelationId,
    /// When the answer was made, UTC.
    #[serde(serialize_with = "milliseconds")]
    timestamp: DateTime<Utc>,
}

impl Stamp {
    /// The stamp of an answer to the request that is being served.
    pub(crate) fn now() -> Self {
        Self { correlation_id: correlation::current(), timestamp: Utc::now() }
    }
}

fn milliseconds<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// An answer of status 200.
#[derive(Debug)]
pub(crate) struct Envelope<T> {
    data: T,
    message: Cow<'static, str>,
    pagination: Option<Pagination>,
}

impl<T> Envelope<T> {
    /// An answer with `data` and a sentence about it.
    pub(crate) fn new(data: T, message: impl Into<Cow<'static, str>>) -> Self {
        Self { data, message: message.into(), pagination: None }
    }

    /// Creates the answer for a page of a list, with `data` made of its items. The message counts them as `noun`.
    pub(crate) fn page<I>(page: Page<I>, noun: &str, data: impl FnOnce(Vec<I>) -> T) -> Self {
        let message = page.summary(noun);
        Self { data: data(page.items), message: message.into(), pagination: Some(page.pagination) }
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
        let Self { data, message, pagination } = self;
        Json(Body { success: true, data, message, pagination, stamp: Stamp::now() }).into_response()
    }
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
