//! Tests of seeding: it is deterministic, preserves indexes and constraints, and needs a marked database.

use crate::support::Fixture;
use anyhow::Result;
use std::collections::BTreeMap;
use steadfast_postgres::tokio_postgres::Client;
use steadfast_repository::cases::{self, SeedError};

const TABLES: [&str; 7] = [
    "pidms_keys",
    "api_keys",
    "search_logs",
    "search_stats_daily",
    "audit_log",
    "audit_seals",
    "icd10_releases",
];

/// Selects indexes and constraints with their definition, state, parent and comment.
const DEFINITIONS: &str = "SELECT 'index', indexrelid::regclass::text, pg_get_indexdef(indexrelid), \
        concat_ws(' ', indisvalid, indisready, indislive, indisunique, indisprimary, indisreplident, indisclustered), \
        coalesce(inhparent::regclass::text, ''), coalesce(obj_description(indexrelid, 'pg_class'), '') \
    FROM pg_index JOIN pg_class c ON c.oid = indrelid LEFT JOIN pg_inherits ON inhrelid = indexrelid \
    WHERE c.relnamespace IN ('public'::regnamespace, 'icd10_blue'::regnamespace, 'icd10_green'::regnamespace) \
    UNION ALL SELECT 'constraint', conrelid::regclass || '.' || conname, pg_get_constraintdef(pg_constraint.oid), \
        concat_ws(' ', convalidated, condeferrable, condeferred, conislocal, coninhcount), conindid::regclass::text, \
        coalesce(obj_description(pg_constraint.oid, 'pg_constraint'), '') \
    FROM pg_constraint JOIN pg_class c ON c.oid = conrelid \
    WHERE c.relnamespace IN ('public'::regnamespace, 'icd10_blue'::regnamespace, 'icd10_green'::regnamespace) \
    ORDER BY 1, 2";

/// Marks the database and seeds it.
pub(crate) async fn seed(fixture: &Fixture, rows: u64) -> Result<()> {
    cases::mark_seedable(&fixture.client().await?).await?;
    Ok(cases::seed(&fixture.database.url(), rows, |_, _, _| ()).await?)
}

/// Returns the number of rows and a checksum of each table. Ignores `created_at`, because searches have the day of the
/// seed.
async fn checksums(client: &Client) -> Result<BTreeMap<&'static str, (i64, String)>> {
    let mut checksums = BTreeMap::new();
    for table in TABLES {
        let sql = format!(
            "SELECT count(*), coalesce(md5(string_agg(row, ',' ORDER BY row)), 'empty') \
             FROM (SELECT (to_jsonb(t) - 'created_at')::text AS row FROM {table} t) rows"
        );
        let row = client.query_one(&sql, &[]).await?;
        checksums.insert(table, (row.get(0), row.get(1)));
    }
    Ok(checksums)
}

async fn definitions(client: &Client) -> Result<Vec<[String; 6]>> {
    let rows = client.query(DEFINITIONS, &[]).await?;
    Ok(rows.iter().map(|row| std::array::from_fn(|column| row.get(column))).collect())
}

#[tokio::test]
async fn seed_replaces_existing_data() -> Result<()> {
    let fixture = Fixture::new().await?;
    let client = fixture.client().await?;
    seed(&fixture, 2_000).await?;
    let first = checksums(&client).await?;
    assert_eq!(first["pidms_keys"].0, 2_000);
    assert!(TABLES[..6].iter().all(|table| first[table].0 > 0), "{first:?}");
    for case in cases::all()?.iter().filter(|case| !case.is_heavy) {
        case.run(&fixture.store).await?;
    }
    client.batch_execute("DELETE FROM api_keys WHERE id % 3 = 0").await?;
    let month = "INSERT INTO search_logs (results_count, response_time_ms, cache_hit, created_at) VALUES (1, 1, true, now())";
    client.batch_execute(month).await?;
    let changed = checksums(&client).await?;
    assert!(TABLES[..6].iter().all(|table| first[table] != changed[table]), "{changed:?}");
    seed(&fixture, 2_000).await?;
    assert_eq!(checksums(&client).await?, first);
    Ok(())
}

#[tokio::test]
async fn larger_seed_begins_with_smaller_one() -> Result<()> {
    let fixture = Fixture::new().await?;
    let client = fixture.client().await?;
    let beginning = "SELECT md5(string_agg(k::text, ',' ORDER BY id)) FROM pidms_keys k WHERE id <= 1000";
    seed(&fixture, 1_000).await?;
    let of_small: String = client.query_one(beginning, &[]).await?.get(0);
    seed(&fixture, 10_000).await?;
    assert_eq!(client.query_one(beginning, &[]).await?.get::<_, String>(0), of_small);
    Ok(())
}

#[tokio::test]
async fn product_frequencies_are_skewed() -> Result<()> {
    let fixture = Fixture::new().await?;
    seed(&fixture, 10_000).await?;
    let sql =
        "SELECT count(*), max(keys), min(keys) FROM (SELECT count(*) AS keys FROM pidms_keys GROUP BY prd) p";
    let row = fixture.client().await?.query_one(sql, &[]).await?;
    let (products, most, least): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
    assert!(products > 50 && most > 2_000 && least == 2, "{products} products, {least} to {most} keys");
    Ok(())
}

#[tokio::test]
async fn seeding_preserves_indexes_and_constraints() -> Result<()> {
    let fixture = Fixture::new().await?;
    let client = fixture.client().await?;
    let before = definitions(&client).await?;
    assert!(before.len() > 20, "{before:#?}");
    seed(&fixture, 2_000).await?;
    assert_eq!(definitions(&client).await?, before);
    Ok(())
}

#[tokio::test]
async fn seeded_tables_are_vacuumed_and_analyzed() -> Result<()> {
    let fixture = Fixture::new().await?;
    seed(&fixture, 2_000).await?;
    let sql = "SELECT relname::text, relpages, relallvisible, reltuples::bigint FROM pg_class \
        WHERE relname IN ('pidms_keys', 'api_keys', 'search_stats_daily') \
        OR relname = 'search_logs_' || to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM')";
    let rows = fixture.client().await?.query(sql, &[]).await?;
    assert_eq!(rows.len(), 4);
    for row in rows {
        let (table, pages, visible, tuples): (String, i32, i32, i64) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        assert!(
            pages > 0 && visible == pages && tuples > 0,
            "{table}: {visible} of {pages} pages, {tuples} rows"
        );
    }
    Ok(())
}

#[tokio::test]
async fn rejects_unmarked_database() -> Result<()> {
    let fixture = Fixture::new().await?;
    let client = fixture.client().await?;
    cases::all()?.iter().find(|case| case.name == "one new").expect("the case").run(&fixture.store).await?;
    let before = checksums(&client).await?;
    let refused = cases::seed(&fixture.database.url(), 1_000, |_, _, _| ()).await.expect_err("not marked");
    assert!(matches!(&refused, SeedError::NotSeedable { database } if database == fixture.database.name()));
    let message = refused.to_string();
    let remedy = format!("ALTER DATABASE {} SET steadfast.seedable = 'on'", fixture.database.name());
    assert!(message.contains(&remedy) && message.contains("replaces all of its data"), "{message}");
    assert_eq!(checksums(&client).await?, before);
    Ok(())
}

#[tokio::test]
async fn failed_seed_changes_nothing() -> Result<()> {
    let fixture = Fixture::new().await?;
    let client = fixture.client().await?;
    seed(&fixture, 1_000).await?;
    client.batch_execute("ALTER TABLE search_stats_daily ADD CONSTRAINT few CHECK (searches < 150)").await?;
    let before = (checksums(&client).await?, definitions(&client).await?);
    // A hundred days exceed the limit of the constraint.
    let failed = cases::seed(&fixture.database.url(), 10_000, |_, _, _| ()).await.expect_err("the check");
    assert!(failed.to_string().contains("\"few\""), "{failed}");
    assert_eq!((checksums(&client).await?, definitions(&client).await?), before);
    Ok(())
}

#[tokio::test]
async fn progress_reaches_total_of_each_table() -> Result<()> {
    let fixture = Fixture::new().await?;
    cases::mark_seedable(&fixture.client().await?).await?;
    let mut last = BTreeMap::new();
    cases::seed(&fixture.database.url(), 25_000, |table, done, all| {
        let before = last.insert(table, (done, all)).map_or(0, |(done, _)| done);
        assert!(done >= before && done <= all, "{table}: {done} of {all} after {before}");
    })
    .await?;
    assert_eq!(last.len(), 16);
    assert!(last.values().all(|(done, all)| done == all), "{last:?}");
    Ok(())
}
