//! API keys on a real server: who is found, who is not any more.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use anyhow::Result;
use futures_util::future::join_all;
use std::time::Duration;
use steadfast_domain::audit::Origin;
use steadfast_domain::identity::{
    ApiKeySettings, Caller, Credential, KeyHash, NewApiKey, Principal, SessionLimits,
};
use steadfast_domain::version::{Expected, Version};
use steadfast_repository::{Error, identity};
use support::Fixture;

fn new_key(scopes: &[&str]) -> NewApiKey {
    NewApiKey::generate(ApiKeySettings::parse("till", scopes, None).expect("settings"))
}

async fn find(fixture: &Fixture, hash: &KeyHash) -> Result<Option<Caller>, Error> {
    let key = Credential::ApiKey(*hash);
    let found = identity::find_caller(&fixture.store, &key, SessionLimits::default()).await?;
    Ok(found.map(|found| found.caller))
}

#[tokio::test]
async fn key_is_found_by_its_hash_until_it_is_revoked() -> Result<()> {
    let fixture = Fixture::new().await?;
    let new = new_key(&["keys:read", "terminology:read"]);
    assert_eq!(find(&fixture, &new.record.hash).await?, None);
    let created = identity::create_api_key(&fixture.store, &Origin::operator("test"), &new.record).await?;
    let id: i64 = created.id.parse()?;
    let meter = fixture.meter().await?;
    let (found, reading) = meter.read(find(&fixture, &new.record.hash)).await?;
    let caller = found?.expect("the bearer");
    assert_eq!(caller.principal, Principal::ApiKey(id));
    assert_eq!(caller.scopes, new.record.settings.scopes);
    assert_eq!((reading.statements, reading.utility), (1, 0));

    identity::revoke_api_key(&fixture.store, &Origin::operator("test"), id).await?;
    let revoked_at = identity::api_key(&fixture.store, id).await?.revoked_at;
    identity::revoke_api_key(&fixture.store, &Origin::operator("test"), id).await?;
    let key = identity::api_key(&fixture.store, id).await?;
    assert!(key.revoked_at.is_some() && key.revoked_at == revoked_at, "the first revocation counts");
    assert_eq!(find(&fixture, &new.record.hash).await?, None);
    Ok(())
}

#[tokio::test]
async fn expired_and_unknown_keys_have_no_caller() -> Result<()> {
    let fixture = Fixture::new().await?;
    let new = new_key(&["*"]);
    identity::create_api_key(&fixture.store, &Origin::operator("test"), &new.record).await?;
    let client = fixture.client().await?;
    client.batch_execute("UPDATE api_keys SET expires_at = now() - interval '1 second'").await?;
    assert_eq!(find(&fixture, &new.record.hash).await?, None);
    assert_eq!(find(&fixture, &KeyHash::OF_NO_KEY).await?, None);
    Ok(())
}

#[tokio::test]
async fn duplicate_key_names_its_constraint() -> Result<()> {
    let fixture = Fixture::new().await?;
    let new = new_key(&["*"]);
    identity::create_api_key(&fixture.store, &Origin::operator("test"), &new.record).await?;
    let again = identity::create_api_key(&fixture.store, &Origin::operator("test"), &new.record).await;
    let duplicate = Error::Duplicate { constraint: Some("api_keys_key_hash_key".to_owned()) };
    assert_eq!(again.err(), Some(duplicate));
    Ok(())
}

#[tokio::test]
async fn caller_says_how_long_its_key_is_valid() -> Result<()> {
    let fixture = Fixture::new().await?;
    let new = new_key(&["*"]);
    identity::create_api_key(&fixture.store, &Origin::operator("test"), &new.record).await?;
    let client = fixture.client().await?;
    let day = Duration::from_secs(24 * 60 * 60);
    for (expires_at, least, most) in [
        ("NULL", None, None),
        ("now() + interval '1 day'", Some(day / 2), Some(day)),
        ("'9999-12-31 23:59:59+00'", Some(2_000_000 * day), Some(3_000_000 * day)),
    ] {
        client.batch_execute(&format!("UPDATE api_keys SET expires_at = {expires_at}")).await?;
        let found = find(&fixture, &new.record.hash).await?.expect("the bearer");
        assert!((least..=most).contains(&found.expires_in), "{expires_at}: {:?}", found.expires_in);
    }
    Ok(())
}

#[tokio::test]
async fn one_of_concurrent_changes_of_a_version_succeeds() -> Result<()> {
    let fixture = Fixture::new().await?;
    let created =
        identity::create_api_key(&fixture.store, &Origin::operator("test"), &new_key(&["*"]).record).await?;
    let id: i64 = created.id.parse()?;
    let change = async |number: usize| {
        let settings = ApiKeySettings::parse(&format!("till {number}"), &["keys:read"], None)?;
        anyhow::Ok(
            identity::update_api_key(
                &fixture.store,
                &Origin::operator("test"),
                (id, Expected::Only(Version::FIRST)),
                &settings,
            )
            .await,
        )
    };
    let outcomes = join_all((0..8).map(change)).await.into_iter().collect::<Result<Vec<_>>>()?;
    let (changed, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!(changed, [Ok(identity::api_key(&fixture.store, id).await?)]);
    assert!(refused.iter().all(|outcome| *outcome == Err(Error::VersionMismatch)), "{refused:?}");
    Ok(())
}
