//! Responses of the failing modes.

use crate::control::Mode;
use crate::routes::{PATH, body};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use std::io;
use std::time::Duration;

/// Default `Retry-After` of a 429, in seconds.
const RETRY_AFTER_S: &str = "60";
/// Maximum duration of a hanging request, so that abandoned clients do not accumulate.
const HANG: Duration = Duration::from_secs(300);
const DRIP_EVERY: Duration = Duration::from_millis(100);
const DRIPS: usize = 3_000;
const OVERSIZED_CHUNK: &[u8] = &[b' '; 64 * 1024];
const OVERSIZED_CHUNKS: usize = 1_024;
/// Body of a truncated response, and its `Content-Length`.
const TRUNCATED: &[u8] = br#"[{"keyname":"6NRGDKHFCFY4TF7PRW"#;
const TRUNCATED_PROMISE: &str = "4096";

/// Returns the response of a failing mode, and an empty array for all other modes.
pub(crate) async fn response(mode: Mode, retry_after: Option<&str>) -> Response {
    match mode {
        Mode::RateLimited => rate_limited(Some(retry_after.unwrap_or(RETRY_AFTER_S))),
        Mode::RateLimitedWithoutRetryAfter => rate_limited(None),
        Mode::Unauthorized => unauthorized(),
        Mode::Forbidden => page(StatusCode::FORBIDDEN, "Forbidden"),
        Mode::ServerError => page(StatusCode::INTERNAL_SERVER_ERROR, "Server Error"),
        Mode::Garbage => page(StatusCode::OK, "Welcome"),
        Mode::Truncated => truncated(),
        Mode::SlowDrip => body(Body::from_stream(drips())),
        Mode::Hang => hang().await,
        Mode::Redirect => redirect(),
        Mode::Oversized => body(Body::from_stream(oversized())),
        Mode::Object => body(r#"{"error_executing":"IID hoặc apikey không đúng","had_occurred":1}"#),
        Mode::Ok | Mode::SingleObject | Mode::Uneven | Mode::CutJson => body("[]"),
    }
}

/// Returns an HTML page, as web servers send it for a status.
pub(crate) fn page(status: StatusCode, title: &str) -> Response {
    let html = format!("<!DOCTYPE html><html><head><title>{title}</title></head><body>{title}</body></html>");
    (status, body(html)).into_response()
}

pub(crate) fn unauthorized() -> Response {
    page(StatusCode::UNAUTHORIZED, "Unauthorized")
}

fn rate_limited(retry_after: Option<&str>) -> Response {
    let mut headers = HeaderMap::new();
    if let Some(value) = retry_after.and_then(|value| HeaderValue::from_str(value).ok()) {
        headers.insert(header::RETRY_AFTER, value);
    }
    (headers, page(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests")).into_response()
}

fn redirect() -> Response {
    let location = HeaderValue::from_static(PATH);
    (StatusCode::FOUND, [(header::LOCATION, location)]).into_response()
}

/// Returns a response whose stream fails after its first part, so that the server closes the connection.
fn truncated() -> Response {
    let sent = stream::once(async { Ok(Bytes::from_static(TRUNCATED)) });
    let broken = stream::once(async {
        // The first part must be sent before the connection is closed.
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(io::Error::from(io::ErrorKind::ConnectionAborted))
    });
    let promise = [(header::CONTENT_LENGTH, HeaderValue::from_static(TRUNCATED_PROMISE))];
    (promise, body(Body::from_stream(sent.chain(broken)))).into_response()
}

fn drips() -> impl Stream<Item = io::Result<Bytes>> {
    stream::iter(0..DRIPS).then(async |_| {
        tokio::time::sleep(DRIP_EVERY).await;
        Ok(Bytes::from_static(b" "))
    })
}

fn oversized() -> impl Stream<Item = io::Result<Bytes>> {
    let spaces = stream::repeat_with(|| Ok(Bytes::from_static(OVERSIZED_CHUNK)));
    stream::once(async { Ok(Bytes::from_static(b"[")) }).chain(spaces.take(OVERSIZED_CHUNKS))
}

async fn hang() -> Response {
    tokio::time::sleep(HANG).await;
    page(StatusCode::GATEWAY_TIMEOUT, "Gateway Timeout")
}
