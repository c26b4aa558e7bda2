//! The shape of a success: the data, a sentence about it, and what ties the answer to its log lines.

use crate::correlation::{self, CorrelationId};
use axum::Json;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use steadfast_domain::page::Total;
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

/// Where in a list a page stands.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Pagination {
    /// Number of the page, from 1; null when the page was reached by cursor.
    page: Option<u32>,
    /// Items on a full page.
    per_page: u32,
    /// Items in the whole list, counted up to 10,000.
    total_items: u32,
    /// Full and part pages of the items counted.
    total_pages: u32,
    /// Whether items follow.
    has_next: bool,
    /// Whether items stand before.
    has_prev: bool,
    /// Whether `total_items` is all of them, or only "at least so many".
    total_exact: bool,
    /// What goes on where this page ends, as parameter `cursor`; null on the last page.
    next_cursor: Option<String>,
}

impl Pagination {
    /// The place of page `page` (none when reached by cursor), with what leads on, if anything.
    pub(crate) fn new(page: Option<u32>, per_page: u32, total: Total, next_cursor: Option<String>) -> Self {
        Self {
            page,
            per_page,
            total_items: total.items,
            total_pages: total.items.div_ceil(per_page),
            has_next: next_cursor.is_some(),
            has_prev: page.is_none_or(|page| page > 1),
            total_exact: total.exact,
            next_cursor,
        }
    }
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

    /// Returns the same answer, which is one page of a list.
    pub(crate) fn paginated(self, pagination: Pagination) -> Self {
        Self { pagination: Some(pagination), ..self }
    }
}

impl<T> Envelope<Vec<T>> {
    /// One page of a list.
    pub(crate) fn page(data: Vec<T>, message: impl Into<Cow<'static, str>>, pagination: Pagination) -> Self {
        Self { data, message: message.into(), pagination: Some(pagination) }
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

    fn total(items: u32, exact: bool) -> Total {
        Total { items, exact }
    }

    #[test]
    fn the_last_page_has_no_next_and_the_first_no_previous() {
        let first = Pagination::new(Some(1), 50, total(51, true), Some("c".into()));
        assert!(first.has_next && !first.has_prev && first.total_pages == 2);
        let last = Pagination::new(Some(2), 50, total(51, true), None);
        assert!(!last.has_next && last.has_prev);
    }

    #[test]
    fn a_page_reached_by_cursor_has_no_number_but_something_before_it() {
        let page = Pagination::new(None, 50, total(10_000, false), None);
        assert!(page.page.is_none() && page.has_prev && !page.total_exact);
        assert_eq!(Pagination::new(Some(1), 50, total(0, true), None).total_pages, 0);
    }

    #[test]
    fn a_timestamp_is_utc_with_milliseconds() {
        let stamp = serde_json::to_value(Stamp::now()).expect("JSON");
        let text = stamp["timestamp"].as_str().expect("a text");
        assert!(text.ends_with('Z') && text.len() == "2026-01-01T00:00:00.000Z".len(), "{text}");
    }
}
