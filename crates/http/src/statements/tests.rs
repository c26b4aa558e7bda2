//! Tests with loops over operations on a real database, behind toy routes.

use super::*;
use crate::route::{Access, Route};
use crate::testing::{Lines, router};
use axum::body::Body;
use axum::extract::Path;
use axum::http::{Request, StatusCode};
use std::sync::Arc;
use steadfast_domain::identity::{Credential, KeyHash, SessionLimits};
use steadfast_repository::{Store, identity};
use steadfast_testkit::TestDatabase;
use tokio::sync::Notify;
use tower::ServiceExt;

const WARNING: &str = "more statements than the route declares";

async fn store() -> (TestDatabase, Store) {
    let migrate = async |url: &str| steadfast_schema::migrate(url).await.map(|_| ());
    let database = TestDatabase::from_template("steadfast", steadfast_schema::fingerprint(), migrate);
    let database = database.await.expect("a database");
    let store = Store::connect(&database.application_url()).expect("a URL");
    (database, store)
}

/// Runs an operation in a loop.
async fn look_up(store: &Store, times: u32) {
    let unknown = Credential::ApiKey(KeyHash::OF_NO_KEY);
    for _ in 0..times {
        identity::find_caller(store, &unknown, SessionLimits::default()).await.expect("an answer");
    }
}

/// Returns a route that runs an operation as often as its path parameter requests.
fn looping(path: &'static str, store: &Store) -> Route<()> {
    let store = store.clone();
    let handler = move |Path(times): Path<u32>| {
        let store = store.clone();
        async move {
            look_up(&store, times).await;
            StatusCode::OK
        }
    };
    Route::get(path, Access::Open, handler)
}

fn request(uri: &str) -> Request<Body> {
    Request::get(uri).body(Body::empty()).expect("a request")
}

#[tokio::test]
async fn loop_over_operations_is_reported_once() {
    let (_database, store) = store().await;
    let declared = looping("/more/{times}", &store).statements(12, "the toy has twelve parts");
    let router = router(vec![looping("/toys/{times}", &store), declared]);
    let (lines, _guard) = Lines::capture();
    for (uri, sent, limit) in
        [("/toys/0", 0, LIMIT), ("/toys/10", 10, LIMIT), ("/toys/11", 11, LIMIT), ("/more/12", 12, 12)]
    {
        let response = router.clone().oneshot(request(uri)).await.expect("routers do not fail");
        assert_eq!(response.extensions().get(), Some(&Statements { sent, limit }), "{uri}");
    }
    let warnings = lines.with(WARNING);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    for part in ["WARN", "correlation_id", "route=\"/toys/{times}\"", "statements=11", "limit=10"] {
        assert!(warnings[0].contains(part), "{part} in {warnings:?}");
    }
}

#[tokio::test]
async fn loop_is_reported_after_client_disconnected() {
    let (_database, store) = store().await;
    let has_looped = Arc::new(Notify::new());
    let signal = has_looped.clone();
    let handler = move || {
        let (store, signal) = (store.clone(), signal.clone());
        async move {
            look_up(&store, 11).await;
            signal.notify_one();
            std::future::pending::<StatusCode>().await
        }
    };
    let router = router(vec![Route::get("/toys", Access::Open, handler)]);
    let (lines, _guard) = Lines::capture();
    tokio::select! {
        answer = router.oneshot(request("/toys")) => panic!("the handler hangs: {answer:?}"),
        () = has_looped.notified() => {}
    }
    assert_eq!(lines.with(WARNING).len(), 1);
}
