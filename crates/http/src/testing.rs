//! Helpers for the tests of this crate: routers of toy routes, answers as JSON, captured log lines.

use crate::authentication::Callers;
use crate::problem::Problem;
use crate::route::Route;
use crate::router::mount;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::Value;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use steadfast_domain::identity::{Caller, Credential, Principal, Scope};
use tower::ServiceExt;

/// Key that the toy routers know.
pub(crate) const KEY: &str = "sf_ReaderKeyOfTheTestsKeyOfTheTestsKeyOfTheTes2liL8L";

/// Well-formed key that the toy routers do not know.
pub(crate) const UNKNOWN_KEY: &str = "sf_UnknownKeyOfTheTestsKeyOfTheTestsKeyOfTheTe1sjVMo";

/// Returns a router of `routes` that knows one caller: the bearer of [`KEY`], with the scope `toys:read`.
pub(crate) fn router(routes: Vec<Route<()>>) -> Router {
    mount(routes, &Callers::new(|credential| async move { Ok(reader(credential)) })).with_state(())
}

/// Returns the bearer of [`KEY`] if `credential` is that key.
pub(crate) fn reader(credential: Credential) -> Option<Caller> {
    let scopes = vec![Scope::parse("toys:read").expect("a scope")];
    let is_reader = Some(credential) == Credential::of_presented(KEY);
    is_reader.then_some(Caller { principal: Principal::ApiKey(7), scopes, expires_in: None })
}

/// Returns a GET request.
pub(crate) fn get(uri: &str) -> Request<Body> {
    Request::get(uri).body(Body::empty()).expect("a request")
}

/// Returns a POST request with a JSON body.
pub(crate) fn post(uri: &str, body: impl Into<Body>) -> Request<Body> {
    let request = Request::post(uri).header(header::CONTENT_TYPE, "application/json");
    request.body(body.into()).expect("a request")
}

/// Complete answer.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answered {
    /// Returns the names of the invalid fields.
    pub(crate) fn fields(&self) -> Vec<&str> {
        let errors = self.body["details"]["field_errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        errors.iter().filter_map(|error| error["field"].as_str()).collect()
    }

    /// Returns a header as text; empty if it is missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// Sends `request` to `router` and returns the answer, whose body must be JSON.
pub(crate) async fn ask(router: &Router, request: Request<Body>) -> Answered {
    let response = router.clone().oneshot(request).await.expect("routers do not fail");
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.expect("a whole body").to_bytes();
    let body = serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{error}: {bytes:?}"));
    Answered { status: parts.status, headers: parts.headers, body }
}

/// Returns the problem of a look-up without a database.
pub(crate) fn database_down() -> Problem {
    Problem::new(crate::problem::Code::DbConnection).retry_after(None)
}

/// Log lines in memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    /// Captures the lines of the current thread until the guard is dropped.
    pub(crate) fn capture() -> (Self, tracing::subscriber::DefaultGuard) {
        let lines = Self::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || writer.clone())
            .finish();
        (lines, tracing::subscriber::set_default(subscriber))
    }

    /// Returns the lines that contain `part`.
    pub(crate) fn with(&self, part: &str) -> Vec<String> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&bytes);
        text.lines().filter(|line| line.contains(part)).map(str::to_owned).collect()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
