//! What the server says of itself, as far as plans depend on it.

use anyhow::Result;
use std::collections::BTreeMap;
use steadfast_plans::tokio_postgres::Client;

/// Settings that plans depend on.
const SETTINGS: [&str; 7] = [
    "autovacuum",
    "default_statistics_target",
    "effective_cache_size",
    "jit",
    "max_parallel_workers_per_gather",
    "random_page_cost",
    "work_mem",
];

/// The version, and the settings of the session that replays.
pub(crate) async fn of(client: &Client) -> Result<(String, BTreeMap<String, String>)> {
    let version: String =
        client.query_one("SELECT split_part(current_setting('server_version'), ' ', 1)", &[]).await?.get(0);
    let names: Vec<&str> = SETTINGS.to_vec();
    let rows =
        client.query("SELECT name, current_setting(name) FROM unnest($1::text[]) AS name", &[&names]).await?;
    Ok((version, rows.iter().map(|row| (row.get(0), row.get(1))).collect()))
}
