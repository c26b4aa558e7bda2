//! All routes together, within what every request goes through.

use crate::identity::Callers;
use crate::openapi::Document;
use crate::problem::{Code, Problem};
use crate::route::Route;
use crate::serve::Draining;
use crate::state::AppState;
use crate::{access_log, correlation, extract, health, keys, terminology};
use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use std::any::Any;
use std::sync::Arc;
use steadfast_domain::identity::{Caller, KeyHash};
use steadfast_repository::{Error as RepositoryError, StatementCount, Store, identity};
use steadfast_services::keys::Checker;
use steadfast_services::terminology::{Catalogue, SearchRecorder};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;

/// The whole API over `store`, with `checker` for product keys and `catalogue` for the terminology, whose searches are left
/// with `searches`. `draining` tells `/health/ready` when the end is near; it is the one that [`serve()`](crate::serve())
/// gets.
pub fn router(
    store: Store,
    checker: Checker,
    catalogue: Catalogue,
    searches: SearchRecorder,
    draining: Draining,
) -> Router {
    let callers = Callers::new({
        let store = store.clone();
        // It runs in a task of its own, which several requests may wait for: it counts for the one that began it.
        move |hash| StatementCount::current().scope(look_up(store.clone(), hash))
    });
    let routes = routes();
    let document = Document::of(&routes);
    let state = AppState { store, checker: Arc::new(checker), catalogue, searches, draining, document };
    mount(routes, &callers).with_state(state)
}

/// Looks up the bearer of a key. A look-up that takes too long is reported as a database that is not available: the
/// caller asked for nothing that could be made smaller.
async fn look_up(store: Store, hash: KeyHash) -> Result<Option<Caller>, Problem> {
    let found = identity::find_caller(&store, &hash).await;
    Ok(found.map_err(|error| match error {
        RepositoryError::Timeout { cause } => RepositoryError::Unavailable { cause, retry_after: None },
        other => other,
    })?)
}

/// Every route of the API.
pub(crate) fn routes() -> Vec<Route<AppState>> {
    [health::routes(), keys::routes(), terminology::routes()].into_iter().flatten().collect()
}

/// A router of `routes`.
pub(crate) fn mount<S>(routes: Vec<Route<S>>, callers: &Callers) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let router = routes.into_iter().fold(Router::new(), |router, route| route.mount(router, callers));
    within_shell(router)
}

/// Ids and logs around everything; panics, unknown paths and wrong methods answered like every other problem; no
/// answer lost to a body that nobody wanted; no answer stored by a cache unless its route permits it.
fn within_shell<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    router
        .fallback(|| async { Problem::new(Code::NotFound) })
        .method_not_allowed_fallback(|| async { Problem::new(Code::MethodNotAllowed) })
        .layer(CatchPanicLayer::custom(answer_panic))
        .layer(SetResponseHeaderLayer::if_not_present(CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .layer(from_fn(extract::take_in))
        .layer(from_fn(access_log::record))
        .layer(from_fn(correlation::assign))
}

fn answer_panic(panic: Box<dyn Any + Send>) -> Response {
    Problem::panicked(&*panic).into_response()
}

#[cfg(test)]
mod tests;
