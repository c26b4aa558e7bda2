//! Statistics of searches, which are recorded after the answers.

use super::filled;
use crate::support::{Fixture, ask, callers, catalogue, checker};
use anyhow::Result;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use steadfast_http::{Draining, router};
use steadfast_repository::terminology::search_logs_upkeep;
use steadfast_services::terminology::{SearchLogWriter, search_log};

const STATISTICS: &str = "/api/v1/analytics/search-stats";

/// Returns a router and the writer of its search log, which the test runs.
async fn with_log(api: &Fixture) -> Result<(Router, SearchLogWriter)> {
    let (searches, writer) = search_log(api.store.clone());
    let catalogue = catalogue(&api.store)?;
    let (callers, draining) = (callers(&api.store), Draining::default());
    let router = router(api.store.clone(), checker(&api.sandbox)?, catalogue, searches, draining, callers);
    Ok((router, writer))
}

async fn search(api: &Fixture, router: &Router, query: &str) {
    let uri = format!("/api/v1/search/icd10?query={query}");
    let request = Request::get(uri).header("x-api-key", api.key());
    let answer = ask(router, request.body(Body::empty()).expect("a request")).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_name_only_frequent_successful_queries() -> Result<()> {
    let api = filled().await?;
    let (router, writer) = with_log(&api).await?;
    for _ in 0..5 {
        search(&api, &router, "Hypertension").await;
    }
    for query in ["diabetes", "zzqqxx", "zzqqxx", "zzqqxx", "zzqqxx", "zzqqxx"] {
        search(&api, &router, query).await;
    }
    writer.run(std::future::ready(())).await;
    assert!(search_logs_upkeep(&api.store).await?);
    for path in [STATISTICS, "/api/v1/enterprise/analytics/search-stats"] {
        let answer = api.get(path).await;
        let statistics = answer.data();
        assert_eq!(
            (&statistics["searches"], &statistics["searches_without_results"]),
            (&json!(11), &json!(5))
        );
        // All but the first search for each of the three queries, one of which found nothing.
        assert_eq!((&statistics["cache_hit_share"], &statistics["lost"]), (&json!(8.0 / 11.0), &json!(0)));
        assert!(statistics["average_response_time_ms"].as_f64().is_some_and(|time| time > 0.0));
        let popular = statistics["popular_queries"].as_array().expect("a list");
        let named: Vec<&Value> = popular.iter().map(|popular| &popular["query"]).collect();
        assert_eq!(named, [&json!("hypertension")]);
        assert_eq!((&popular[0]["searches"], &popular[0]["average_results"]), (&json!(5), &json!(1.0)));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn averages_are_null_without_searches() -> Result<()> {
    let api = Fixture::new().await?;
    let answer = api.get(STATISTICS).await;
    let statistics = answer.data();
    assert_eq!((&statistics["searches"], &statistics["popular_queries"]), (&json!(0), &json!([])));
    assert_eq!(
        (&statistics["average_response_time_ms"], &statistics["cache_hit_share"]),
        (&Value::Null, &Value::Null)
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_search_log_fails_no_search() -> Result<()> {
    let api = filled().await?;
    let (client, connection) = tokio_postgres::connect(&api.database.url(), tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    client.batch_execute("ALTER TABLE search_logs RENAME TO gone").await?;
    let (router, writer) = with_log(&api).await?;
    search(&api, &router, "hypertension").await;
    writer.run(std::future::ready(())).await;
    search(&api, &router, "hypertension").await;
    let request = Request::get(STATISTICS).header("x-api-key", api.key());
    let answer = ask(&router, request.body(Body::empty())?).await;
    assert_eq!((&answer.data()["searches"], &answer.data()["lost"]), (&json!(0), &json!(2)));
    Ok(())
}
