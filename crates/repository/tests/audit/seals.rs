//! Tests of the seals over the trail.

use super::{count, create};
use crate::support::Fixture;
use anyhow::{Context as _, Result};
use std::time::Duration;
use steadfast_domain::audit::Origin;
use steadfast_domain::audit::seals::ChainEnd;
use steadfast_postgres::tokio_postgres::Client;
use steadfast_repository::audit::{
    Horizon, Sealing, last_seal, maintain_partitions, mark_horizon, rows, seal, seals,
};
use tokio::time::sleep;

const INSERT: &str =
    "INSERT INTO audit_log (correlation_id, action, resource_type) VALUES ('test', 'read', 'x')";

async fn horizon(fixture: &Fixture) -> Result<Horizon> {
    mark_horizon(&fixture.store, -1).await?.context("ids were drawn")
}

/// Seals rows as soon as the transactions of other tests on the same server permit it.
async fn seal_when_possible(fixture: &Fixture, horizon: &Horizon) -> Result<Sealing> {
    loop {
        match seal(&fixture.store, horizon).await? {
            Sealing::Waiting => sleep(Duration::from_millis(5)).await,
            sealing => return Ok(sealing),
        }
    }
}

/// Returns the ids of all sealed rows.
async fn sealed(fixture: &Fixture) -> Result<Vec<i64>> {
    let seals = seals(&fixture.store, 0).await?;
    Ok(seals.iter().flat_map(|seal| seal.rows.iter().map(|row| row.id)).collect())
}

async fn open_transaction(fixture: &Fixture) -> Result<Client> {
    let client = fixture.client().await?;
    client.batch_execute("BEGIN; SELECT pg_current_xact_id()").await?;
    Ok(client)
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_sealed_once_and_in_order() -> Result<()> {
    let fixture = Fixture::new().await?;
    let horizon_of_nothing = horizon(&fixture).await?;
    assert_eq!(horizon_of_nothing.last_id, 0);
    assert_eq!(seal_when_possible(&fixture, &horizon_of_nothing).await?, Sealing::Complete);
    assert_eq!(last_seal(&fixture.store).await?, None, "nothing is written without rows");
    for _ in 0..3 {
        create(&fixture, &Origin::operator("test")).await?;
    }
    let first = horizon(&fixture).await?;
    create(&fixture, &Origin::operator("test")).await?;
    let Sealing::Sealed(end) = seal_when_possible(&fixture, &first).await? else { panic!("not sealed") };
    assert_eq!((end.number, end.last_id), (1, first.last_id));
    assert_eq!(last_seal(&fixture.store).await?, Some(end));
    assert_eq!(seal_when_possible(&fixture, &first).await?, Sealing::Complete);
    assert_eq!(mark_horizon(&fixture.store, first.last_id + 1).await?, None, "no new ids");
    let second = horizon(&fixture).await?;
    assert!(matches!(
        seal_when_possible(&fixture, &second).await?,
        Sealing::Sealed(ChainEnd { number: 2, .. })
    ));
    assert_eq!(sealed(&fixture).await?, [1, 2, 3, 4]);
    let stored = rows(&fixture.store, None, i64::MAX).await?;
    let of_seals: Vec<_> = seals(&fixture.store, 0).await?.into_iter().flat_map(|seal| seal.rows).collect();
    assert_eq!(stored, of_seals);
    Ok(())
}

#[tokio::test]
async fn many_rows_take_several_seals() -> Result<()> {
    let fixture = Fixture::new().await?;
    let client = fixture.client().await?;
    let many = "INSERT INTO audit_log (correlation_id, action, resource_type) \
        SELECT 'test', 'read', 'x' FROM generate_series(1, 2500)";
    client.batch_execute(many).await?;
    let horizon = horizon(&fixture).await?;
    let mut ends = Vec::new();
    while let Sealing::Sealed(end) = seal_when_possible(&fixture, &horizon).await? {
        ends.push((end.number, end.last_id));
    }
    assert_eq!(ends, [(1, 1_000), (2, 2_000), (3, 2_500)]);
    assert_eq!(sealed(&fixture).await?, (1..=2_500).collect::<Vec<_>>());
    Ok(())
}

#[tokio::test]
async fn rows_of_open_transactions_are_waited_for() -> Result<()> {
    let fixture = Fixture::new().await?;
    // Both began after all transactions that have ended, so that `pg_snapshot_xmax` does not cover the newer one.
    let (older, newer) = (open_transaction(&fixture).await?, open_transaction(&fixture).await?);
    newer.batch_execute(INSERT).await?;
    let horizon = horizon(&fixture).await?;
    assert_eq!(seal(&fixture.store, &horizon).await?, Sealing::Waiting);
    older.batch_execute("COMMIT").await?;
    assert_eq!(seal(&fixture.store, &horizon).await?, Sealing::Waiting);
    let later = open_transaction(&fixture).await?;
    newer.batch_execute("COMMIT").await?;
    assert!(
        matches!(seal_when_possible(&fixture, &horizon).await?, Sealing::Sealed(_)),
        "later ones do not matter"
    );
    later.batch_execute(INSERT).await?;
    assert_eq!(sealed(&fixture).await?, [1]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_writers_lose_no_row() -> Result<()> {
    let fixture = Fixture::new().await?;
    let mut writers = Vec::new();
    for writer in 0..4_u64 {
        let client = fixture.client().await?;
        writers.push(tokio::spawn(async move {
            for number in 0..50_u64 {
                // The id is drawn, and stored later; every third transaction is rolled back.
                client
                    .batch_execute(&format!(
                        "BEGIN; {INSERT}; SELECT pg_sleep(0.00{})",
                        (number + writer) % 7
                    ))
                    .await?;
                client.batch_execute(if number % 3 == 0 { "ROLLBACK" } else { "COMMIT" }).await?;
            }
            anyhow::Ok(())
        }));
    }
    while !writers.iter().all(|writer| writer.is_finished()) {
        seal(&fixture.store, &horizon(&fixture).await?).await?;
    }
    for writer in writers {
        writer.await??;
    }
    seal_when_possible(&fixture, &horizon(&fixture).await?).await?;
    let stored = rows(&fixture.store, None, i64::MAX).await?;
    assert_eq!(stored.len(), 4 * 33);
    assert_eq!(sealed(&fixture).await?, stored.iter().map(|row| row.id).collect::<Vec<_>>());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_seals_at_a_time() -> Result<()> {
    let fixture = Fixture::new().await?;
    create(&fixture, &Origin::operator("test")).await?;
    let (other, horizon) = (fixture.client().await?, horizon(&fixture).await?);
    other.batch_execute("SELECT pg_advisory_lock(hashtextextended('audit_seals', 0))").await?;
    assert_eq!(seal_when_possible(&fixture, &horizon).await?, Sealing::Busy);
    other.batch_execute("SELECT pg_advisory_unlock_all()").await?;
    assert!(matches!(seal_when_possible(&fixture, &horizon).await?, Sealing::Sealed(_)));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn hash_of_a_row_depends_on_no_session_setting() -> Result<()> {
    let fixture = Fixture::new().await?;
    let client = fixture.client().await?;
    let row = "INSERT INTO audit_log (correlation_id, action, resource_type, old_values, ip_address) \
        VALUES ('ü', 'read', 'x', '{\"b\": 1.50, \"a\": [1e3, null, \"\\u00fc\"]}', '2001:db8::1')";
    client.batch_execute(row).await?;
    let before = rows(&fixture.store, None, i64::MAX).await?;
    for setting in [
        "TimeZone = 'Asia/Kathmandu'",
        "DateStyle = 'German, DMY'",
        "extra_float_digits = -5",
        "IntervalStyle = 'iso_8601'",
        "bytea_output = 'escape'",
    ] {
        client.batch_execute(&format!("ALTER DATABASE {} SET {setting}", fixture.database.name())).await?;
        let other = steadfast_repository::Store::connect(&fixture.database.application_url())?;
        assert_eq!(rows(&other, None, i64::MAX).await?, before, "{setting}");
    }
    Ok(())
}

/// Returns the statements of the guide to operations that give the servers' role `role` its rights.
fn documented_grants(role: &str) -> Result<String> {
    let guide = include_str!("../../../../docs/operations.md");
    let mut blocks = guide.split("```sql\n").skip(1).filter_map(|rest| rest.split("```").next());
    let grants = blocks.find(|block| block.contains("audit_log_upkeep")).context("no grants")?;
    Ok(grants.replace(" app;", &format!(" {role};")))
}

#[tokio::test(flavor = "multi_thread")]
async fn role_with_documented_grants_can_only_append() -> Result<()> {
    let fixture = Fixture::new().await?;
    let (client, name) = (fixture.client().await?, fixture.database.name());
    let role = format!("app_of_{name}");
    let prepare =
        format!("CREATE ROLE {role}; {}; ALTER DATABASE {name} SET role = {role}", documented_grants(&role)?);
    client.batch_execute(&prepare).await?;
    let outcome = async {
        create(&fixture, &Origin::operator("test")).await?;
        let horizon = horizon(&fixture).await?;
        assert!(matches!(seal_when_possible(&fixture, &horizon).await?, Sealing::Sealed(_)));
        assert_eq!(rows(&fixture.store, None, i64::MAX).await?.len(), 1);
        assert_eq!(maintain_partitions(&fixture.store, 30).await?, Some(vec![]));
        let session = fixture.client().await?;
        for refused in [
            "ALTER TABLE audit_log DISABLE TRIGGER ALL",
            "SET session_replication_role = replica",
            "TRUNCATE audit_log",
            "DELETE FROM audit_log",
            "UPDATE audit_seals SET sealed_at = now()",
            "SELECT setval('audit_log_ids', 1)",
        ] {
            // The attributes of a superuser do not count for the role.
            let error = session.batch_execute(refused).await.expect_err(refused);
            assert_eq!(error.code().map(|code| code.code()), Some("42501"), "{refused}: {error}");
        }
        anyhow::Ok(())
    };
    let outcome = outcome.await;
    client.batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await?;
    outcome
}

#[tokio::test]
async fn seals_cannot_be_changed_or_deleted() -> Result<()> {
    let fixture = Fixture::new().await?;
    let client = fixture.client().await?;
    client.batch_execute(INSERT).await?;
    seal_when_possible(&fixture, &horizon(&fixture).await?).await?;
    for change in ["UPDATE audit_seals SET sealed_at = now()", "DELETE FROM audit_seals"] {
        let refused = client.batch_execute(change).await.expect_err(change);
        assert_eq!(refused.code().map(|code| code.code()), Some("42501"), "{change}: {refused}");
    }
    assert_eq!(count(&fixture, "audit_seals").await?, 1);
    Ok(())
}
