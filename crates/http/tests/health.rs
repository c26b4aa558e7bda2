//! Health, drains and outages of the database, as seen by callers and load balancers.

use crate::support::{Answered, Fixture, UNKNOWN_KEY, api_key, ask, callers, catalogue, checker};
use anyhow::{Result, ensure};
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use steadfast_http::{Draining, router};
use steadfast_repository::Store;
use steadfast_services::terminology::{Catalogue, search_log};
use steadfast_testkit::{Server, StopMode};

/// Maximum wait of a test.
const PATIENCE: Duration = Duration::from_secs(30);

async fn get(router: &Router, uri: &str, key: &str) -> Answered {
    let request = Request::get(uri).header("x-api-key", key);
    ask(router, request.body(Body::empty()).expect("a request")).await
}

async fn check(router: &Router, keys: &str, key: &str) -> Answered {
    let request = Request::post("/api/pidms/check").header("x-api-key", key);
    let request = request.header("content-type", "application/json");
    ask(router, request.body(Body::from(format!(r#"{{"keys": "{keys}"}}"#))).expect("a request")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn detailed_health_has_all_dependencies() -> Result<()> {
    let api = Fixture::new().await?;
    let detailed = api.get("/health/detailed").await;
    assert_eq!((detailed.status.as_u16(), detailed.body["status"].as_str()), (200, Some("degraded")));
    let checks = &detailed.body["checks"];
    for (check, status) in
        [("database", "healthy"), ("redis", "healthy"), ("data", "degraded"), ("pidkey", "healthy")]
    {
        assert_eq!(checks[check]["status"], status, "{check}");
    }
    assert_eq!(
        (&checks["database"]["breaker"], &checks["pidkey"]["breaker"]),
        (&json!("closed"), &json!("closed"))
    );
    assert_eq!((&checks["redis"]["configured"], &checks["redis"]["breaker"]), (&json!(false), &Value::Null));
    assert_eq!(api.get("/health/database").await.body["status"], "healthy");
    assert_eq!(api.get("/health/redis").await.body["status"], "healthy");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn draining_service_is_not_ready_but_answers() -> Result<()> {
    let api = Fixture::new().await?;
    let ready = api.get("/health/ready").await;
    assert_eq!((ready.status.as_u16(), ready.body["status"].as_str()), (200, Some("healthy")));
    assert_eq!(ready.body["checks"]["database"]["connected"], true);
    api.draining.begin();
    let ready = api.get("/health/ready").await;
    assert_eq!((ready.status.as_u16(), ready.body["status"].as_str()), (503, Some("draining")));
    for uri in ["/health/live", "/openapi.json", "/api/pidms/products"] {
        assert_eq!(api.get(uri).await.status, 200, "{uri}");
    }
    Ok(())
}

/// Searches of every kind.
const SEARCHES: [&str; 3] = [
    "/api/pidms/search?product=office",
    "/api/v1/search/icd10?query=heart+failure",
    "/api/v1/search/icd10?query=E11",
];

/// Searches of every kind that are not cached.
const OTHER_SEARCHES: [&str; 4] = [
    "/api/pidms/search?product=windows",
    "/api/v1/search/icd10?query=asthma",
    "/api/v1/search/icd10?query=E12",
    "/api/v1/code/E12",
];

#[tokio::test(flavor = "multi_thread")]
async fn outage_of_database_is_503_at_once_until_it_ends() -> Result<()> {
    let server = Server::private()?;
    server.ensure_database("steadfast").await?;
    let url = server.url("steadfast");
    steadfast_schema::migrate(&url).await?;
    let store = Store::connect(&url)?;
    let key = api_key(&store, &["*"]).await?;
    let sandbox = pidkey_sandbox::start(([127, 0, 0, 1], 0).into()).await?;
    let (searches, _search_log) = search_log(store.clone());
    let catalogue = catalogue(&store)?;
    let callers = callers(&store);
    let router = router(store, checker(&sandbox)?, catalogue, searches, Draining::default(), callers);
    assert_eq!(get(&router, "/api/pidms/products", &key).await.status, 200);

    for uri in SEARCHES {
        assert_eq!(get(&router, uri, &key).await.status, 200, "{uri}");
    }

    server.stop(StopMode::Fast)?;
    let began = Instant::now();
    for uri in OTHER_SEARCHES {
        assert_eq!(get(&router, uri, &key).await.refusal(), (503, "DB_CONNECTION_ERROR", vec![]), "{uri}");
    }
    let checked = check(&router, "6NRGD-KHFCF-Y4TF7-PRWFD-YBF3H", &key).await;
    assert_eq!(checked.refusal(), (503, "DB_CONNECTION_ERROR", vec![]));
    assert_eq!(sandbox.seen().requests, 0, "a check that cannot be stored sends no requests");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    // The second key is not cached, so it cannot be confirmed.
    for key in [key.as_str(), UNKNOWN_KEY].repeat(3) {
        let began = Instant::now();
        let answer = get(&router, "/api/pidms/products", key).await;
        assert_eq!(answer.refusal(), (503, "DB_CONNECTION_ERROR", vec![]));
        // The pool detects the recovery before the breaker's time is over.
        assert_eq!(answer.headers["retry-after"], "1");
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    }
    // The answers to the first searches are cached, so they can be served.
    let ready = get(&router, "/health/ready", "").await;
    assert_eq!((ready.status.as_u16(), &ready.body["status"]), (200, &"degraded".into()));
    assert_eq!(ready.body["checks"]["database"]["connected"], false);
    assert_eq!(get(&router, SEARCHES[2], &key).await.status, 200);
    for uri in ["/health/detailed", "/health/database"] {
        let health = get(&router, uri, "").await;
        assert_eq!((health.status.as_u16(), &health.body["status"]), (503, &"unhealthy".into()), "{uri}");
    }
    let detailed = get(&router, "/health/detailed", "").await;
    assert_eq!(detailed.body["checks"]["database"]["breaker"], "open");
    assert_eq!(get(&router, "/health/live", "").await.status, 200);

    server.restart()?;
    let began = Instant::now();
    while get(&router, "/api/pidms/products", &key).await.status != 200 {
        ensure!(began.elapsed() < PATIENCE, "not served again");
        tokio::task::yield_now().await;
    }
    assert_eq!(get(&router, "/health/ready", "").await.status, 200);
    Ok(())
}

/// Returns a router with the database at `url` and without a cache, and its store.
async fn without_cache(url: &str) -> Result<(Router, Store)> {
    let store = Store::connect(url)?;
    let sandbox = pidkey_sandbox::start(([127, 0, 0, 1], 0).into()).await?;
    let (searches, _search_log) = search_log(store.clone());
    let catalogue = Catalogue::new(store.clone(), None);
    let (callers, draining) = (callers(&store), Draining::default());
    Ok((router(store.clone(), checker(&sandbox)?, catalogue, searches, draining, callers), store))
}

#[tokio::test(flavor = "multi_thread")]
async fn service_without_cached_answers_is_not_ready_during_outage() -> Result<()> {
    let server = Server::private()?;
    let (router, store) = without_cache(&server.url("postgres")).await?;
    store.ping().await?;
    assert_eq!(get(&router, "/health/ready", "").await.status, 200);
    server.stop(StopMode::Fast)?;
    let began = Instant::now();
    while store.ping().await.is_ok() {
        ensure!(began.elapsed() < PATIENCE, "the database still answers");
    }
    let ready = get(&router, "/health/ready", "").await;
    assert_eq!((ready.status.as_u16(), &ready.body["status"]), (503, &"unhealthy".into()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn service_that_never_reached_its_database_is_not_ready() -> Result<()> {
    // The listener accepts connections and never answers, so that no attempt fails for seconds.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("postgres://app@{}/none", silent.local_addr()?);
    let (router, _store) = without_cache(&url).await?;
    let ready = get(&router, "/health/ready", "").await;
    assert_eq!((ready.status.as_u16(), &ready.body["status"]), (503, &"unhealthy".into()));
    Ok(())
}
