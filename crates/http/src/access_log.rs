//! One log event per request, whatever became of it. The path is written as its template and the query string not at
//! all: both may carry data.

use crate::correlation;
use crate::problem::ErrorCode;
use axum::body::HttpBody;
use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::response::Response;
use std::sync::{Arc, OnceLock};
use steadfast_domain::identity::Caller;
use tokio::time::Instant;

/// Status of a request whose caller left before the answer, as proxies log it. Never sent.
const CLIENT_GONE: u16 = 499;

/// What is learnt for the log while the request is answered.
#[derive(Debug, Default)]
struct Learnt {
    caller: OnceLock<Arc<Caller>>,
    cache_hit: OnceLock<bool>,
}

/// Slot for the caller of a request, filled by the authentication for the log and the handler.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallerSlot(Arc<Learnt>);

impl CallerSlot {
    /// Sets the caller, once.
    pub(crate) fn fill(&self, caller: Arc<Caller>) {
        let _ = self.0.caller.set(caller);
    }

    /// Returns the caller; `None` on a route that needs no key.
    pub(crate) fn caller(&self) -> Option<&Arc<Caller>> {
        self.0.caller.get()
    }

    /// Returns the row id of the caller's API key.
    pub(crate) fn id(&self) -> Option<i64> {
        self.caller().map(|caller| caller.api_key_id)
    }
}

/// Where a handler leaves for the log whether the cache had its answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct CacheSlot(Arc<Learnt>);

impl CacheSlot {
    /// Leaves it. The first one stays.
    pub(crate) fn fill(&self, is_hit: bool) {
        let _ = self.0.cache_hit.set(is_hit);
    }
}

/// Runs `next` and logs the request when its answer is made, or when its caller is gone.
pub(crate) async fn record<F>(mut request: Request, next: impl FnOnce(Request) -> F) -> Response
where
    F: Future<Output = Response>,
{
    let learnt = Arc::<Learnt>::default();
    let mut entry = Entry {
        method: request.method().clone(),
        route: request.extensions().get::<MatchedPath>().cloned(),
        learnt: Arc::clone(&learnt),
        started: Instant::now(),
        status: CLIENT_GONE,
        error: Some("CLIENT_GONE"),
        bytes: None,
        correlation_id: correlation::current(),
    };
    request.extensions_mut().insert(CallerSlot(Arc::clone(&learnt)));
    request.extensions_mut().insert(CacheSlot(learnt));
    let response = next(request).await;
    entry.finish(&response);
    response
}

/// A log event that is written when it is dropped, so that it is written exactly once. It is dropped within the span of
/// its request, also if the caller has left: an instrumented future enters its span to be dropped.
struct Entry {
    method: Method,
    route: Option<MatchedPath>,
    learnt: Arc<Learnt>,
    started: Instant,
    status: u16,
    error: Option<&'static str>,
    bytes: Option<u64>,
    correlation_id: correlation::CorrelationId,
}

impl Entry {
    fn finish(&mut self, response: &Response) {
        self.status = response.status().as_u16();
        self.error = response.extensions().get::<ErrorCode>().map(|code| code.0);
        self.bytes = response.body().size_hint().exact();
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        tracing::info!(
            method = self.method.as_str(),
            route = self.route.as_ref().map_or("unmatched", MatchedPath::as_str),
            status = self.status,
            // With three decimals: microseconds are as fine as it means anything.
            duration_ms = (self.started.elapsed().as_secs_f64() * 1e6).round() / 1e3,
            bytes = self.bytes,
            error = self.error,
            api_key_id = self.learnt.caller.get().map(|caller| caller.api_key_id),
            cache_hit = self.learnt.cache_hit.get(),
            correlation_id = self.correlation_id.as_str(),
            "request"
        );
    }
}
