//! Another program changes the release in use: every server serves it soon, and never the former one afterwards.

use crate::support::{Api, SEARCH, database, eventually, import};
use anyhow::Result;
use std::time::Duration;
use steadfast_repository::{Store, terminology};
use steadfast_testkit::RedisServer;

/// The documented limit is three seconds; a busy machine may take a little longer.
const SOON: Duration = Duration::from_secs(8);

async fn term(api: &Api) -> Result<String> {
    let body = api.get(SEARCH).await?;
    Ok(body["data"]["results"][0]["term"].as_str().unwrap_or_default().to_owned())
}

/// Waits until both servers answer `expected`, and ensures that their answers do not change afterwards.
async fn both_answer(apis: [&Api; 2], expected: &str) -> Result<()> {
    for api in apis {
        let took = eventually(expected, async || Ok(term(api).await? == expected)).await?;
        assert!(took < SOON, "{expected} after {took:?}");
    }
    for api in apis {
        for _ in 0..50 {
            assert_eq!(term(api).await?, expected, "the former release returned");
        }
        let placed = api.get("/api/v1/code/I10").await?;
        assert_eq!(placed["data"]["term"], expected);
        assert_eq!(api.cache_status(SEARCH).await?, "hit", "the answer is cached for the new release");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn import_and_rollback_reach_all_servers() -> Result<()> {
    let (database, redis) = (database().await?, RedisServer::private()?);
    let url = database.application_url();
    import(&url, "Essential hypertension").await?;
    // One server uses Redis, the other does not; neither is notified.
    let shared = Api::start(&url, Some(&redis)).await?;
    let alone = Api::start(&url, None).await?;
    both_answer([&shared, &alone], "Essential hypertension").await?;
    import(&url, "Primary hypertension").await?;
    both_answer([&shared, &alone], "Primary hypertension").await?;
    let former = terminology::roll_back(&Store::connect(&url)?).await?;
    assert_eq!(former.map(|release| release.name).as_deref(), Some("Essential hypertension"));
    both_answer([&shared, &alone], "Essential hypertension").await?;
    Ok(())
}
