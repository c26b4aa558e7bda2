//! Coverage from the other side: every statement that the server has seen of the program belongs to an operation.

use crate::measure::Measurement;
use anyhow::{Context, Result, ensure};
use std::collections::HashSet;
use steadfast_plans::tokio_postgres::{Client, NoTls, connect};
use steadfast_plans::{Finding, Rule};
use steadfast_testkit::{APPLICATION_ROLE, TestDatabase};

/// Statements that belong to no area, by name and the text that tells them.
const INTERNAL: [(&str, &str); 7] = [
    ("internal.type_lookup", "pg_type"),
    ("internal.type_lookup", "pg_enum"),
    ("internal.capacity", "max_connections"),
    ("internal.migrations", "__diesel_schema_migrations"),
    ("internal.migrations", "SELECT pg_advisory_lock("),
    ("internal.migrations", "SELECT to_regclass("),
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
/// When the statistics are not whole: the extension is missing, or entries were dropped.
pub(crate) async fn coverage(measured: &[Measurement]) -> Result<Coverage> {
    // The statistics are the whole server's; they are read from any database with the extension.
    let database = TestDatabase::empty().await?;
    let (client, connection) = connect(&database.url(), NoTls).await?;
    let session = tokio::spawn(connection);
    let seen = seen(&client).await?;
    drop(client);
    _ = session.await;
    let known: HashSet<i64> = measured
        .iter()
        .flat_map(|one| &one.judged.statements)
        .filter_map(|statement| statement.query_id)
        .collect();
    let is_internal = |text: &str| INTERNAL.iter().any(|(_, mark)| text.contains(mark));
    let unknown = seen.iter().filter(|(id, text)| !known.contains(id) && !is_internal(text));
    Ok(Coverage { statements: seen.len(), findings: unknown.map(|(_, text)| finding(text)).collect() })
}

async fn seen(client: &Client) -> Result<Vec<(i64, String)>> {
    let extension = "CREATE EXTENSION IF NOT EXISTS pg_stat_statements";
    client.batch_execute(extension).await.context("coverage needs pg_stat_statements in the server")?;
    let dropped: i64 = client.query_one("SELECT dealloc FROM pg_stat_statements_info", &[]).await?.get(0);
    ensure!(dropped == 0, "the server dropped statistics {dropped} times: raise pg_stat_statements.max");
    let sql = "SELECT queryid, min(query) FROM pg_stat_statements \
         WHERE userid = (SELECT oid FROM pg_roles WHERE rolname = $1) AND toplevel \
         AND query !~* '^\\s*(begin|start|commit|rollback|savepoint|release|set|reset|truncate|create|drop|alter|analyze)\\M' \
         GROUP BY queryid ORDER BY 2";
    let rows = client.query(sql, &[&APPLICATION_ROLE]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

fn finding(text: &str) -> Finding {
    Finding {
        rule: Rule::Coverage,
        subject: "tests".to_owned(),
        case: String::new(),
        statement: text.split_whitespace().collect::<Vec<_>>().join(" "),
        expected: "every statement of the program to be one of a case".to_owned(),
        found: "one that no case sends".to_owned(),
        mend: "a case that sends it, or an operation around it".to_owned(),
    }
}
