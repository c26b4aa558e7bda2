//! The database goes away: what is known is served and flagged, the rest is refused in time.

use crate::support::{Api, SEARCH, eventually, import};
use anyhow::Result;
use serde_json::Value;
use std::time::{Duration, Instant};
use steadfast_testkit::{Server, StopMode};

/// What nobody asked for before.
const UNKNOWN: &str = "/api/v1/search/icd10?query=mellitus";

/// A server over a database of its own, asked once for each kind of answer.
async fn asked_before() -> Result<(Server, Api)> {
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
async fn a_stopped_database_leaves_what_is_known_as_stale_and_the_rest_is_503() -> Result<()> {
    let (server, api) = asked_before().await?;
    server.stop(StopMode::Immediate)?;
    for path in [SEARCH, "/api/v1/code/I10"] {
        eventually("it is flagged", async || Ok(api.cache_status(path).await? == "stale")).await?;
    }
    assert_eq!(api.batch(&["I10", "E11"]).await?, (2, 0));
    let began = Instant::now();
    let refused = api.ask(UNKNOWN).await?;
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(refused.json::<Value>().await?["error"], "DB_CONNECTION_ERROR");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    server.restart()?;
    eventually("it is served again", async || Ok(api.ask(UNKNOWN).await?.status() == 200)).await?;
    eventually("it is sure again", async || Ok(api.cache_status(SEARCH).await? == "hit")).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_database_makes_nobody_wait_for_what_is_known() -> Result<()> {
    let (server, api) = asked_before().await?;
    server.freeze()?;
    let frozen = Instant::now();
    let mut slowest = Duration::ZERO;
    // For longer than callers are remembered: who they are cannot be looked up any more either.
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
    let refused = api.ask(UNKNOWN).await?;
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    server.thaw()?;
    eventually("it is sure again", async || Ok(api.cache_status(SEARCH).await? == "hit")).await?;
    eventually("it is served again", async || Ok(api.ask(UNKNOWN).await?.status() == 200)).await?;
    Ok(())
}
