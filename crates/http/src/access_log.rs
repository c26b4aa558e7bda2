//! One log event per request, whatever became of it. The path is written as its template and the query string not at
//! all: both may carry data.

use crate::correlation;
use crate::problem::ErrorCode;
use axum::body::HttpBody;
use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use std::sync::{Arc, OnceLock};
use tokio::time::Instant;

/// Status of a request whose caller left before the answer, as proxies log it. Never sent.
const CLIENT_GONE: u16 = 499;

/// Where the row id of the caller's API key is left for the log, once it is known.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallerSlot(Arc<OnceLock<i64>>);

impl CallerSlot {
    /// Leaves the id. The first one stays.
    pub(crate) fn fill(&self, api_key_id: i64) {
        let _ = self.0.set(api_key_id);
    }

    /// The id that was left, if one was.
    pub(crate) fn id(&self) -> Option<i64> {
        self.0.get().copied()
    }
}

/// Where a handler leaves for the log whether the cache had its answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct CacheSlot(Arc<OnceLock<bool>>);

impl CacheSlot {
    /// Leaves it. The first one stays.
    pub(crate) fn fill(&self, is_hit: bool) {
        let _ = self.0.set(is_hit);
    }
}

/// Middleware: logs the request when its answer is made, or when its caller is gone.
pub(crate) async fn record(mut request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let caller = CallerSlot::default();
    let cache = CacheSlot::default();
    request.extensions_mut().insert(caller.clone());
    request.extensions_mut().insert(cache.clone());
    let mut entry = Entry::begin(request.method().clone(), route, caller, cache);
    let response = next.run(request).await;
    entry.finish(&response);
    response
}

/// A log event that is written when it is dropped, so that it is written exactly once.
struct Entry {
    method: Method,
    route: Option<MatchedPath>,
    caller: CallerSlot,
    cache: CacheSlot,
    started: Instant,
    status: u16,
    error: Option<&'static str>,
    bytes: Option<u64>,
    // Kept, for a dropped future is dropped outside of the scope that knows it.
    correlation_id: correlation::CorrelationId,
    span: tracing::Span,
}

impl Entry {
    fn begin(method: Method, route: Option<MatchedPath>, caller: CallerSlot, cache: CacheSlot) -> Self {
        Self {
            method,
            route,
            caller,
            cache,
            started: Instant::now(),
            status: CLIENT_GONE,
            error: Some("CLIENT_GONE"),
            bytes: None,
            correlation_id: correlation::current(),
            span: tracing::Span::current(),
        }
    }

    fn finish(&mut self, response: &Response) {
        self.status = response.status().as_u16();
        self.error = response.extensions().get::<ErrorCode>().map(|code| code.0);
        self.bytes = response.body().size_hint().exact();
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let _entered = self.span.enter();
        tracing::info!(
            method = self.method.as_str(),
            route = self.route.as_ref().map_or("unmatched", MatchedPath::as_str),
            status = self.status,
            // With three decimals: microseconds are as fine as it means anything.
            duration_ms = (self.started.elapsed().as_secs_f64() * 1e6).round() / 1e3,
            bytes = self.bytes,
            error = self.error,
            api_key_id = self.caller.id(),
            cache_hit = self.cache.0.get(),
            correlation_id = self.correlation_id.as_str(),
            "request"
        );
    }
}
