//! Tests of the partitions of the trail.

use super::{count, create};
use crate::support::Fixture;
use anyhow::Result;
use chrono::{DateTime, Months, Utc};
use steadfast_domain::audit::Origin;
use steadfast_postgres::tokio_postgres::Client;
use steadfast_repository::Error;
use steadfast_repository::audit::{attached_since, maintain_partitions};

const ATTACHED: &str = "pg_partition_tree('audit_log') WHERE isleaf";

fn month(time: DateTime<Utc>) -> String {
    time.format("audit_log_%Y_%m").to_string()
}

/// Attaches a partition for the month of `time`, with a row.
async fn add_month(client: &Client, time: DateTime<Utc>) -> Result<String> {
    let (name, first) = (month(time), time.format("%Y-%m-01 00:00:00+00"));
    let next = (time + Months::new(1)).format("%Y-%m-01 00:00:00+00").to_string();
    client
        .batch_execute(&format!(
            "CREATE TABLE {name} PARTITION OF audit_log FOR VALUES FROM ('{first}') TO ('{next}'); \
             INSERT INTO audit_log (created_at, correlation_id, action, resource_type) VALUES ('{first}', 'old', 'read', 'x')"
        ))
        .await?;
    Ok(name)
}

#[tokio::test]
async fn partitions_are_created_ahead_and_detached_after_the_retention() -> Result<()> {
    let fixture = Fixture::new().await?;
    let client = fixture.client().await?;
    assert_eq!(count(&fixture, ATTACHED).await?, 8, "this month, the next six, and the default partition");
    let next = month(Utc::now() + Months::new(3));
    client.batch_execute(&format!("DROP TABLE {next}")).await?;
    let (old, recent) = (Utc::now() - Months::new(5), Utc::now() - Months::new(2));
    let (old, recent) = (add_month(&client, old).await?, add_month(&client, recent).await?);
    let rows = count(&fixture, "audit_log").await?;
    // Five months ago is older than 100 days, two months ago is not.
    assert_eq!(maintain_partitions(&fixture.store, 100).await?, Some(vec![old.clone()]));
    assert_eq!(count(&fixture, ATTACHED).await?, 9);
    assert_eq!(count(&fixture, &next).await?, 0, "it was created again");
    assert_eq!(count(&fixture, &old).await?, 1, "nothing is deleted");
    assert_eq!(count(&fixture, "audit_log").await?, rows, "one row less, and an entry about the partition");
    assert_eq!(
        count(&fixture, &format!("audit_log WHERE action = 'detach' AND resource_id = '{old}'")).await?,
        1
    );
    let refused = client.batch_execute(&format!("DELETE FROM {old}")).await.expect_err("append-only");
    assert_eq!(refused.code().map(|code| code.code()), Some("42501"));
    let since = attached_since(&fixture.store).await?.map(month);
    assert_eq!(since, Some(recent));
    assert_eq!(
        maintain_partitions(&fixture.store, 100).await?,
        Some(vec![old.clone()]),
        "until it is dropped"
    );
    client.batch_execute(&format!("DROP TABLE {old}")).await?;
    assert_eq!(maintain_partitions(&fixture.store, 100).await?, Some(vec![]));
    Ok(())
}

#[tokio::test]
async fn retention_of_less_than_thirty_days_is_refused() -> Result<()> {
    let fixture = Fixture::new().await?;
    for days in [0, 29] {
        let refused = maintain_partitions(&fixture.store, days).await;
        assert!(matches!(refused, Err(Error::Query { .. })), "{days}: {refused:?}");
    }
    let client = fixture.client().await?;
    assert!(client.batch_execute("SELECT audit_log_upkeep(NULL)").await.is_err());
    assert_eq!(maintain_partitions(&fixture.store, 30).await?, Some(vec![]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_succeed_without_a_partition_of_the_month() -> Result<()> {
    let fixture = Fixture::new().await?;
    let client = fixture.client().await?;
    client.batch_execute(&format!("DROP TABLE {}", month(Utc::now()))).await?;
    create(&fixture, &Origin::operator("test")).await?;
    assert_eq!(count(&fixture, "audit_log_default").await?, 1);
    assert!(
        maintain_partitions(&fixture.store, 30).await?.is_some(),
        "the month stays in the default partition"
    );
    create(&fixture, &Origin::operator("test")).await?;
    assert_eq!(count(&fixture, "audit_log_default").await?, 2);
    Ok(())
}

#[tokio::test]
async fn one_process_maintains_partitions_at_a_time() -> Result<()> {
    let fixture = Fixture::new().await?;
    let other = fixture.client().await?;
    other.batch_execute("SELECT pg_advisory_lock(hashtextextended('audit_log_upkeep', 0))").await?;
    assert_eq!(maintain_partitions(&fixture.store, 30).await?, None);
    other.batch_execute("SELECT pg_advisory_unlock_all()").await?;
    assert_eq!(maintain_partitions(&fixture.store, 30).await?, Some(vec![]));
    Ok(())
}
