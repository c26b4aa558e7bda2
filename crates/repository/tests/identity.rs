//! API keys on a real server: who is found, who is not any more.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use anyhow::Result;
use std::time::Duration;
use steadfast_domain::identity::{KeyHash, NewApiKey, Scope};
use steadfast_repository::{Error, identity};
use support::Fixture;

fn new_key(scopes: &[&str]) -> NewApiKey {
    let scopes = scopes.iter().map(|scope| Scope::parse(scope).expect("a scope")).collect();
    NewApiKey::generate("till", scopes).expect("a key")
}

#[tokio::test]
async fn a_key_is_found_by_its_hash_with_its_scopes_until_it_is_withdrawn() -> Result<()> {
    let fixture = Fixture::new().await?;
    let new = new_key(&["keys:read", "terminology:read"]);
    assert_eq!(identity::find_caller(&fixture.store, &new.record.hash).await?, None);
    let id = identity::create_api_key(&fixture.store, &new.record).await?;
    let meter = fixture.meter().await?;
    let (found, reading) = meter.read(identity::find_caller(&fixture.store, &new.record.hash)).await?;
    let caller = found?.expect("the bearer");
    assert_eq!((caller.api_key_id, caller.scopes), (id, new.record.scopes.clone()));
    assert_eq!((reading.statements, reading.utility), (1, 0));

    assert!(identity::revoke_api_key(&fixture.store, id).await?);
    assert!(!identity::revoke_api_key(&fixture.store, id).await?, "it is withdrawn already");
    assert_eq!(identity::find_caller(&fixture.store, &new.record.hash).await?, None);
    Ok(())
}

#[tokio::test]
async fn a_key_whose_time_is_over_and_a_key_that_nobody_has_find_nobody() -> Result<()> {
    let fixture = Fixture::new().await?;
    let new = new_key(&["*"]);
    identity::create_api_key(&fixture.store, &new.record).await?;
    let client = fixture.client().await?;
    client.batch_execute("UPDATE api_keys SET expires_at = now() - interval '1 second'").await?;
    assert_eq!(identity::find_caller(&fixture.store, &new.record.hash).await?, None);
    assert_eq!(identity::find_caller(&fixture.store, &KeyHash::OF_NO_KEY).await?, None);
    Ok(())
}

#[tokio::test]
async fn the_same_key_twice_is_a_duplicate_that_names_its_constraint() -> Result<()> {
    let fixture = Fixture::new().await?;
    let new = new_key(&["*"]);
    identity::create_api_key(&fixture.store, &new.record).await?;
    let again = identity::create_api_key(&fixture.store, &new.record).await;
    assert_eq!(again, Err(Error::Duplicate { constraint: Some("api_keys_key_hash_key".to_owned()) }));
    Ok(())
}

#[tokio::test]
async fn caller_says_how_long_its_key_is_valid() -> Result<()> {
    let fixture = Fixture::new().await?;
    let new = new_key(&["*"]);
    identity::create_api_key(&fixture.store, &new.record).await?;
    let client = fixture.client().await?;
    let day = Duration::from_secs(24 * 60 * 60);
    for (expires_at, least, most) in [
        ("NULL", None, None),
        ("now() + interval '1 day'", Some(day / 2), Some(day)),
        ("'infinity'", Some(1_000_000 * day), Some(Duration::MAX)),
    ] {
        client.batch_execute(&format!("UPDATE api_keys SET expires_at = {expires_at}")).await?;
        let found = identity::find_caller(&fixture.store, &new.record.hash).await?.expect("the bearer");
        assert!((least..=most).contains(&found.expires_in), "{expires_at}: {:?}", found.expires_in);
    }
    Ok(())
}
