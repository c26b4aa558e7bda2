//! The access log: one event per request, whatever its result. It contains the template of the path and no query
//! string, because both may contain data.

use crate::correlation;
use crate::problem::ErrorCode;
use axum::body::HttpBody;
use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::response::Response;
use std::sync::{Arc, OnceLock};
use steadfast_domain::identity::{Caller, Principal};
use tokio::time::Instant;

/// Status for the log if the client disconnected before the answer, as used by proxies. Never sent.
const CLIENT_GONE: u16 = 499;

/// Fields of the event that become known while the request is answered.
#[derive(Debug, Default)]
struct LateFields {
    caller: OnceLock<Arc<Caller>>,
    cache_hit: OnceLock<bool>,
}

/// Request extension that receives the caller, for the log and the handler.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallerSlot(Arc<LateFields>);

impl CallerSlot {
    /// Sets the caller, once.
    pub(crate) fn fill(&self, caller: Arc<Caller>) {
        let _ = self.0.caller.set(caller);
    }

    /// Returns the caller; `None` on a route that needs no key.
    pub(crate) fn caller(&self) -> Option<&Arc<Caller>> {
        self.0.caller.get()
    }

    /// Returns the row id of the caller's API key, if it has one.
    pub(crate) fn id(&self) -> Option<i64> {
        self.caller().and_then(|caller| caller.principal.api_key_id())
    }
}

/// Request extension that receives for the log whether the answer was cached.
#[derive(Clone, Debug, Default)]
pub(crate) struct CacheSlot(Arc<LateFields>);

impl CacheSlot {
    /// Sets whether the answer was cached. Later calls have no effect.
    pub(crate) fn fill(&self, is_hit: bool) {
        let _ = self.0.cache_hit.set(is_hit);
    }
}

/// Runs `next` and logs the request when it is answered, or when its client has disconnected.
pub(crate) async fn record<F>(mut request: Request, next: impl FnOnce(Request) -> F) -> Response
where
    F: Future<Output = Response>,
{
    let late_fields = Arc::<LateFields>::default();
    let mut entry = Entry {
        method: request.method().clone(),
        route: request.extensions().get::<MatchedPath>().cloned(),
        late_fields: Arc::clone(&late_fields),
        started: Instant::now(),
        status: CLIENT_GONE,
        error: Some("CLIENT_GONE"),
        bytes: None,
        correlation_id: correlation::current(),
    };
    request.extensions_mut().insert(CallerSlot(Arc::clone(&late_fields)));
    request.extensions_mut().insert(CacheSlot(late_fields));
    let response = next(request).await;
    entry.finish(&response);
    response
}

/// Log event that is written on drop, so that it is written exactly once. It is dropped within the span of its request,
/// also if the client has disconnected: an instrumented future enters its span before it is dropped.
struct Entry {
    method: Method,
    route: Option<MatchedPath>,
    late_fields: Arc<LateFields>,
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
        let caller = self.late_fields.caller.get().map(|caller| caller.principal);
        tracing::info!(
            method = self.method.as_str(),
            route = self.route.as_ref().map_or("unmatched", MatchedPath::as_str),
            status = self.status,
            // Rounded to microseconds: more digits have no meaning.
            duration_ms = (self.started.elapsed().as_secs_f64() * 1e6).round() / 1e3,
            bytes = self.bytes,
            error = self.error,
            api_key_id = caller.and_then(Principal::api_key_id),
            user_id = caller.and_then(Principal::user_id),
            session_id = caller.and_then(Principal::session_id),
            cache_hit = self.late_fields.cache_hit.get(),
            correlation_id = self.correlation_id.as_str(),
            "request"
        );
    }
}
