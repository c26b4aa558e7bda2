//! The router of all routes, and the steps of every request.

use crate::authentication::{CallerSettings, Callers};
use crate::identity::LoginDesk;
use crate::openapi::Document;
use crate::problem::{Code, Problem};
use crate::route::Route;
use crate::serve::Draining;
use crate::state::{AppState, Services};
use crate::{access_log, audit, correlation, extract, health, identity, keys, practice, terminology};
use axum::Router;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use steadfast_domain::identity::{Caller, Credential, SessionLimits};
use steadfast_repository::identity::Found;
use steadfast_repository::{Error as RepositoryError, StatementCount, Store, identity as callers};
use steadfast_services::identity::UseRecorder;
use steadfast_services::keys::Checker;
use steadfast_services::terminology::{Catalogue, SearchRecorder};

/// Creates the router of the whole API over `store`, with `checker` for product keys and `catalogue` for the terminology,
/// whose searches are recorded by `searches`. `settings` say how callers are admitted. `draining` is the one that
/// [`serve()`](crate::serve()) gets; it makes `/health/ready` answer 503 during a shutdown.
pub fn router(
    store: Store,
    checker: Checker,
    catalogue: Catalogue,
    searches: SearchRecorder,
    draining: Draining,
    settings: CallerSettings,
) -> Router {
    let CallerSettings { sessions, rate, uses } = settings;
    let callers = Callers::new({
        let store = store.clone();
        // It runs in its own task, which several requests may wait for. Its statements count for the one that started it.
        move |credential| {
            let look_up = look_up(store.clone(), credential, sessions, uses.clone());
            StatementCount::current().scope(look_up)
        }
    })
    .limited(rate);
    let routes = routes();
    let document = Document::of(&routes);
    let logins = LoginDesk::new(store.clone(), sessions);
    let services = Services {
        store,
        checker: Arc::new(checker),
        catalogue,
        searches,
        callers: callers.clone(),
        logins,
        draining,
        document,
    };
    mount(routes, &callers).with_state(AppState::new(services))
}

/// Looks up the bearer of a key or token, and records its use. A look-up that takes too long is reported as a database
/// that is not available: the caller asked for nothing that could be made smaller.
async fn look_up(
    store: Store,
    credential: Credential,
    limits: SessionLimits,
    uses: UseRecorder,
) -> Result<Option<Caller>, Problem> {
    let found = callers::find_caller(&store, &credential, limits).await;
    let found = found.map_err(|error| match error {
        RepositoryError::Timeout { cause } => RepositoryError::Unavailable { cause, retry_after: None },
        other => other,
    })?;
    Ok(found.map(|Found { caller, is_use_due }| {
        if is_use_due {
            uses.record(caller.principal);
        }
        caller
    }))
}

/// Returns every route of the API.
pub(crate) fn routes() -> Vec<Route<AppState>> {
    [
        health::routes(),
        audit::routes(),
        identity::routes(),
        keys::routes(),
        practice::routes(),
        terminology::routes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Creates a router of `routes`.
pub(crate) fn mount<S>(routes: Vec<Route<S>>, callers: &Callers) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let router = routes.into_iter().fold(Router::new(), |router, route| route.mount(router, callers));
    router
        .fallback(|request| refuse(request, Code::NotFound))
        .method_not_allowed_fallback(|request| refuse(request, Code::MethodNotAllowed))
}

async fn refuse(request: Request, code: Code) -> Response {
    within_shell(request, move |_| async move { Problem::new(code).into_response() }).await
}

/// Runs `answer` with the steps of all requests: a correlation id, a log line, answers to panics, receiving of unread
/// bodies, and `Cache-Control: no-store` unless the route sets the header.
pub(crate) async fn within_shell<F>(request: Request, answer: impl FnOnce(Request) -> F) -> Response
where
    F: Future<Output = Response>,
{
    let caught = |request| async {
        let request = extract::take_in(request);
        let answered = AssertUnwindSafe(async { answer(request).await }).catch_unwind().await;
        let mut response = answered.unwrap_or_else(|panic| Problem::panicked(&*panic).into_response());
        response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        response
    };
    correlation::assign(request, |request| access_log::record(request, caught)).await
}

#[cfg(test)]
mod tests;
