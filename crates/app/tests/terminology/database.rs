//! Outages of the database: cached answers are served as stale, others fail in bounded time.

use crate::support::{Api, SEARCH, eventually, import};
use anyhow::Result;
use serde_json::Value;
use std::time::{Duration, Instant};
use steadfast_testkit::{Server, StopMode};

/// Search that is not cached.
const UNCACHED: &str = "/api/v1/search/icd10?query=mellitus";

/// Returns a database server and an API that has cached one answer of each kind.
async fn with_cached_answers() -> Result<(Server, Api)> {
    let server = Server::private()?;
    server.ensure_database("steadfast").await?;
    let url = server.url("steadfast");
    steadfast_schema::migrate(&url).await?;
    import(&url, "Essential hypertension").await?;
    let api = Api::start(&url, None).await?;
    for path in [SEARCH, "/api/v1/code/I10"] {
        assert_eq!(api.cache_status(path).await?, "miss");
    }
    assert_eq!(api.batch(&["I10", "E11"]).await?, (0, 2));
    Ok((server, api))
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_database_leaves_stale_answers() -> Result<()> {
    let (server, api) = with_cached_answers().await?;
    server.stop(StopMode::Immediate)?;
    for path in [SEARCH, "/api/v1/code/I10"] {
        eventually("the answer is stale", async || Ok(api.cache_status(path).await? == "stale")).await?;
    }
    assert_eq!(api.batch(&["I10", "E11"]).await?, (2, 0));
    let began = Instant::now();
    let refused = api.ask(UNCACHED).await?;
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(refused.json::<Value>().await?["error"], "DB_CONNECTION_ERROR");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    server.restart()?;
    eventually("the search succeeds again", async || Ok(api.ask(UNCACHED).await?.status() == 200)).await?;
    eventually("the answer is confirmed again", async || Ok(api.cache_status(SEARCH).await? == "hit"))
        .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn frozen_database_does_not_delay_cached_answers() -> Result<()> {
    let (server, api) = with_cached_answers().await?;
    server.freeze()?;
    let frozen = Instant::now();
    let mut slowest = Duration::ZERO;
    // Longer than API keys are cached, so that the key cannot be confirmed either.
    while frozen.elapsed() < Duration::from_secs(12) {
        let began = Instant::now();
        let status = api.cache_status(SEARCH).await?;
        slowest = slowest.max(began.elapsed());
        assert!(
            status == "stale" || frozen.elapsed() < Duration::from_secs(6),
            "{status} after {:?}",
            frozen.elapsed()
        );
    }
    assert!(slowest < Duration::from_secs(4), "{slowest:?}");
    let began = Instant::now();
    let refused = api.ask(UNCACHED).await?;
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    server.thaw()?;
    eventually("the answer is confirmed again", async || Ok(api.cache_status(SEARCH).await? == "hit"))
        .await?;
    eventually("the search succeeds again", async || Ok(api.ask(UNCACHED).await?.status() == 200)).await?;
    Ok(())
}
