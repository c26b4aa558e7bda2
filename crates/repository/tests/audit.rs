//! The audit trail and idempotency keys on a real server.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

#[path = "audit/partitions.rs"]
mod partitions;
#[path = "audit/seals.rs"]
mod seals;
mod support;

use anyhow::Result;
use chrono::Utc;
use futures_util::future::join_all;
use serde_json::Value;
use steadfast_domain::audit::Origin;
use steadfast_domain::audit::idempotency::{IdempotencyKey, Repeatable, RequestHash};
use steadfast_domain::identity::{ApiKeySettings, NewApiKey, Principal};
use steadfast_domain::version::{Expected, Version};
use steadfast_repository::audit::{self, Created};
use steadfast_repository::{Error, identity};
use support::Fixture;

fn origin(caller: i64, key: &str, body: &str) -> Origin {
    let key = IdempotencyKey::parse(key).expect("a key");
    let hash = RequestHash::of("POST /keys", body.as_bytes());
    let repeatable = Some(Repeatable { key, hash });
    Origin { principal: Principal::ApiKey(caller), repeatable, ..Origin::operator("test") }
}

async fn create(fixture: &Fixture, origin: &Origin) -> Result<Created, Error> {
    let settings = ApiKeySettings::parse("till", &["keys:read"], None).expect("settings");
    identity::create_api_key(&fixture.store, origin, &NewApiKey::generate(settings).record).await
}

async fn count(fixture: &Fixture, table: &str) -> Result<i64> {
    Ok(fixture.client().await?.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await?.get(0))
}

/// Returns action, resource, and old and new values of each entry of the trail.
async fn entries(fixture: &Fixture) -> Result<Vec<(String, String, Option<Value>, Option<Value>)>> {
    let sql = "SELECT action, resource_type || ' ' || resource_id, old_values::text, new_values::text \
        FROM audit_log ORDER BY id";
    let json = |text: Option<String>| text.map(|text| serde_json::from_str(&text)).transpose();
    let rows = fixture.client().await?.query(sql, &[]).await?;
    rows.iter().map(|row| Ok((row.get(0), row.get(1), json(row.get(2))?, json(row.get(3))?))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_effect_has_an_entry_with_old_and_new_values() -> Result<()> {
    let fixture = Fixture::new().await?;
    let created = create(&fixture, &origin(1, "order", "a till")).await?;
    let again = create(&fixture, &origin(1, "order", "a till")).await?;
    assert!(again.is_repeated);
    let (id, operator) = (created.id.parse()?, Origin::operator("test"));
    let first = identity::api_key(&fixture.store, id).await?;
    let settings = ApiKeySettings::parse("scale", &["*"], None).expect("settings");
    let second = identity::update_api_key(&fixture.store, &operator, (id, Expected::Any), &settings).await?;
    let refused =
        identity::update_api_key(&fixture.store, &operator, (id, Expected::Only(Version::FIRST)), &settings);
    assert_eq!(refused.await, Err(Error::VersionMismatch));
    identity::revoke_api_key(&fixture.store, &operator, id).await?;
    identity::revoke_api_key(&fixture.store, &operator, id).await?;
    let third = identity::api_key(&fixture.store, id).await?;
    let [first, second, third] = [first, second, third].map(|key| serde_json::to_value(key).ok());
    let entry = |action: &str, old, new| (action.to_owned(), format!("api_key {id}"), old, new);
    assert_eq!(
        entries(&fixture).await?,
        [
            entry("create", None, first.clone()),
            entry("update", first, second.clone()),
            entry("revoke", second, third)
        ]
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn entry_says_where_the_request_came_from() -> Result<()> {
    let fixture = Fixture::new().await?;
    type Ids = (Option<i64>, Option<i64>, Option<i64>);
    let principals: [(Principal, Ids); 3] = [
        (Principal::Operator, (None, None, None)),
        (Principal::ApiKey(7), (None, None, Some(7))),
        (Principal::User { id: 8, session: 9 }, (Some(8), Some(9), None)),
    ];
    for (principal, ids) in principals {
        let address = Some([192, 0, 2, 1].into());
        let user_agent = Some("till/1.0".to_owned());
        create(&fixture, &Origin { principal, address, user_agent, ..Origin::operator("a-request") }).await?;
        let sql = "SELECT user_id, session_id, api_key_id, correlation_id, host(ip_address), user_agent, success \
            FROM audit_log ORDER BY id DESC LIMIT 1";
        let row = fixture.client().await?.query_one(sql, &[]).await?;
        assert_eq!((row.get(0), row.get(1), row.get(2)), ids);
        assert_eq!(
            (row.get(3), row.get(4), row.get(5), row.get(6)),
            ("a-request", "192.0.2.1", "till/1.0", true)
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_cannot_be_changed_or_deleted() -> Result<()> {
    let fixture = Fixture::new().await?;
    create(&fixture, &Origin::operator("test")).await?;
    let client = fixture.client().await?;
    let in_partition = format!("DELETE FROM {}", Utc::now().format("audit_log_%Y_%m"));
    for change in ["UPDATE audit_log SET action = 'read'", "DELETE FROM audit_log", &in_partition] {
        let refused = client.batch_execute(change).await.expect_err(change);
        assert_eq!(refused.code().map(|code| code.code()), Some("42501"), "{change}: {refused}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_repetitions_have_one_effect() -> Result<()> {
    let fixture = Fixture::new().await?;
    for round in 0..20 {
        let origin = origin(1, &format!("order-{round}"), "a till");
        let outcomes = join_all((0..8).map(|_| create(&fixture, &origin))).await;
        let fresh = outcomes.iter().flatten().filter(|created| !created.is_repeated).count();
        assert_eq!(fresh, 1, "round {round}: {outcomes:?}");
        let refusals = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
        assert!(refusals.clone().all(|error| *error == Error::InProgress), "{outcomes:?}");
        let again = create(&fixture, &origin).await?;
        assert!(again.is_repeated && again.body.get().contains("till"), "{again:?}");
        assert_eq!(count(&fixture, "api_keys").await?, round + 1);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn creation_costs_three_statements_and_its_repetition_one() -> Result<()> {
    let fixture = Fixture::new().await?;
    // Opens the session.
    create(&fixture, &Origin::operator("test")).await?;
    let meter = fixture.meter().await?;
    for statements in [3, 1] {
        let (created, reading) = meter.read(create(&fixture, &origin(1, "order", "a till"))).await?;
        created?;
        // BEGIN, SET LOCAL and COMMIT.
        assert_eq!((reading.statements, reading.utility), (statements, 3));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_belong_to_one_caller_and_one_request() -> Result<()> {
    let fixture = Fixture::new().await?;
    assert!(!create(&fixture, &origin(1, "order", "a till")).await?.is_repeated);
    assert_eq!(create(&fixture, &origin(1, "order", "a scale")).await.err(), Some(Error::KeyReused));
    assert!(!create(&fixture, &origin(2, "order", "a scale")).await?.is_repeated);
    assert_eq!(count(&fixture, "api_keys").await?, 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_creation_leaves_its_key_free() -> Result<()> {
    let fixture = Fixture::new().await?;
    let client = fixture.client().await?;
    client.batch_execute("ALTER TABLE api_keys ADD CONSTRAINT closed CHECK (false) NOT VALID").await?;
    let origin = origin(1, "order", "a till");
    assert_eq!(
        create(&fixture, &origin).await.err(),
        Some(Error::Conflict { constraint: Some("closed".to_owned()) })
    );
    client.batch_execute("ALTER TABLE api_keys DROP CONSTRAINT closed").await?;
    assert!(!create(&fixture, &origin).await?.is_repeated);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_keys_are_free_and_deleted_in_batches() -> Result<()> {
    let fixture = Fixture::new().await?;
    let client = fixture.client().await?;
    let origin = origin(1, "order", "a till");
    create(&fixture, &origin).await?;
    client.batch_execute("UPDATE idempotency_records SET expires_at = now()").await?;
    assert!(!create(&fixture, &origin).await?.is_repeated, "the record is replaced");
    assert!(create(&fixture, &origin).await?.is_repeated, "and counts again");
    let old = "INSERT INTO idempotency_records (principal, key, route, request_hash, resource_id, body, expires_at) \
        SELECT 'operator', n, '', sha256(''), '', '{}', now() - interval '1 minute' FROM generate_series(1, 750) AS n";
    client.batch_execute(old).await?;
    let expire = || audit::expire_idempotency_records(&fixture.store, Utc::now());
    assert_eq!((expire().await?, expire().await?, expire().await?), (500, 250, 0));
    assert_eq!(count(&fixture, "idempotency_records").await?, 1, "those in use stay");
    Ok(())
}
