//! Another release is put in use by somebody else: every server serves it soon, and nothing of the former one after.

use crate::support::{Api, SEARCH, database, eventually, import};
use anyhow::Result;
use std::time::Duration;
use steadfast_repository::{Store, terminology};
use steadfast_testkit::RedisServer;

/// Documented are three seconds; a busy machine may take a little longer to look.
const SOON: Duration = Duration::from_secs(8);

async fn term(api: &Api) -> Result<String> {
    let body = api.get(SEARCH).await?;
    Ok(body["data"]["results"][0]["term"].as_str().unwrap_or_default().to_owned())
}

/// Waits until both servers say `expected`, and makes sure that they stay with it.
async fn both_say(apis: [&Api; 2], expected: &str) -> Result<()> {
    for api in apis {
        let took = eventually(expected, async || Ok(term(api).await? == expected)).await?;
        assert!(took < SOON, "{expected} after {took:?}");
    }
    for api in apis {
        for _ in 0..50 {
            assert_eq!(term(api).await?, expected, "what was seen once stays");
        }
        let placed = api.get("/api/v1/code/I10").await?;
        assert_eq!(placed["data"]["term"], expected);
        assert_eq!(api.cache_status(SEARCH).await?, "hit", "it is kept under the new name");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_import_and_a_rollback_by_others_old_answers_are_soon_gone() -> Result<()> {
    let (database, redis) = (database().await?, RedisServer::private()?);
    let url = database.application_url();
    import(&url, "Essential hypertension").await?;
    // One shares its answers, the other keeps them to itself; neither is told anything.
    let shared = Api::start(&url, Some(&redis)).await?;
    let alone = Api::start(&url, None).await?;
    both_say([&shared, &alone], "Essential hypertension").await?;
    import(&url, "Primary hypertension").await?;
    both_say([&shared, &alone], "Primary hypertension").await?;
    let former = terminology::roll_back(&Store::connect(&url)?).await?;
    assert_eq!(former.map(|release| release.name).as_deref(), Some("Essential hypertension"));
    both_say([&shared, &alone], "Essential hypertension").await?;
    Ok(())
}
