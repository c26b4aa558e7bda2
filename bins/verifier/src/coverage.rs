//! Coverage from the other side: every statement that the server has seen of the program belongs to an operation.

use crate::measure::Measurement;
use anyhow::{Context, Result};
use std::collections::HashSet;
use steadfast_plans::tokio_postgres::{Client, NoTls, connect};
use steadfast_plans::{Finding, Seen, uncovered};
use steadfast_testkit::{APPLICATION_ROLE, TestDatabase};

/// Statements that belong to no area, by name and the text that tells them.
const INTERNAL: [(&str, &str); 12] = [
    ("internal.type_lookup", "pg_type"),
    ("internal.type_lookup", "pg_enum"),
    ("internal.capacity", "max_connections"),
    ("internal.migrations", "__diesel_schema_migrations"),
    ("internal.migrations", "SELECT pg_advisory_lock("),
    // Given back after a contended write, see docs/decisions/0005.
    ("internal.contention", "SELECT pg_advisory_unlock("),
    ("internal.migrations", "SELECT to_regclass("),
    ("internal.migrations", "pg_backend_pid()"),
    ("internal.migrations", "pg_blocking_pids("),
    ("internal.migrations", "INSERT INTO pidms_products"),
    ("internal.migrations", "SELECT count(*), min(id) FROM pidms_keys WHERE keyname !~"),
    // A migration calls it once; the program asks for its answer by a name, and that is an operation.
    ("internal.migrations", "SELECT search_logs_upkeep()"),
];

/// What was seen.
pub(crate) struct Coverage {
    pub(crate) statements: usize,
    pub(crate) findings: Vec<Finding>,
}

/// Holds what the server has seen of the application's role against the statements of `measured`.
///
/// # Errors
/// When the statistics prove nothing: the extension is missing, entries were dropped, or no tests have run.
pub(crate) async fn coverage(measured: &[Measurement]) -> Result<Coverage> {
    // The statistics are the whole server's; they are read from any database with the extension.
    let database = TestDatabase::empty().await?;
    let (client, connection) = connect(&database.url(), NoTls).await?;
    let session = tokio::spawn(connection);
    let seen = seen(&client).await?;
    drop(client);
    _ = session.await;
    let statements = measured.iter().flat_map(|one| &one.judged.statements);
    let known: HashSet<i64> = statements.filter_map(|statement| statement.query_id).collect();
    let is_internal = |text: &str| INTERNAL.iter().any(|(_, mark)| text.contains(mark));
    let findings = uncovered(&seen, &known, is_internal)?;
    Ok(Coverage { statements: seen.statements.len(), findings })
}

async fn seen(client: &Client) -> Result<Seen> {
    let extension = "CREATE EXTENSION IF NOT EXISTS pg_stat_statements";
    client.batch_execute(extension).await.context("coverage needs pg_stat_statements in the server")?;
    let dropped = client.query_one("SELECT dealloc FROM pg_stat_statements_info", &[]).await?.get(0);
    let sql = "SELECT queryid, min(query) FROM pg_stat_statements \
         WHERE userid = (SELECT oid FROM pg_roles WHERE rolname = $1) AND toplevel \
         AND query !~* '^\\s*(begin|start|commit|rollback|savepoint|release|set|reset|truncate|create|drop|alter|analyze)\\M' \
         GROUP BY queryid ORDER BY 2";
    let rows = client.query(sql, &[&APPLICATION_ROLE]).await?;
    let statements = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    Ok(Seen { statements, dropped })
}
