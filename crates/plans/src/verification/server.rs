//! The server's version, and the settings that plans depend on.

use crate::Error;
use std::collections::BTreeMap;
use steadfast_postgres::tokio_postgres::Client;

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

/// Returns the server's version, and the settings of the session of `client`.
pub(super) async fn facts(client: &Client) -> Result<(String, BTreeMap<String, String>), Error> {
    let sql = "SELECT split_part(current_setting('server_version'), ' ', 1), name, current_setting(name) \
         FROM unnest($1::text[]) AS name";
    let rows = client.query(sql, &[&SETTINGS.as_slice()]).await;
    let rows = rows.map_err(Error::database("read the server's settings"))?;
    let version = rows.first().map(|row| row.get(0)).unwrap_or_default();
    Ok((version, rows.iter().map(|row| (row.get(1), row.get(2))).collect()))
}
