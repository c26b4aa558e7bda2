//! API keys on a real server: who is found, who is not any more.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use anyhow::Result;
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
    client.batch_execute("UPDATE api_keys SET expires_at = now() + interval '1 hour'").await?;
    assert!(identity::find_caller(&fixture.store, &new.record.hash).await?.is_some());
    client.batch_execute("UPDATE api_keys SET expires_at = now() - interval '1 second'").await?;
    assert_eq!(identity::find_caller(&fixture.store, &new.record.hash).await?, None);
    let foreign = KeyHash::of_presented("sf_0000").expect("a hash");
    assert_eq!(identity::find_caller(&fixture.store, &foreign).await?, None);
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
