//! Activity of a statement by table, from the server's own counters: includes functions, triggers and foreign keys.

use crate::Error;
use serde::Serialize;
use std::collections::BTreeMap;
use steadfast_postgres::tokio_postgres::Client;

/// Counters of partitions and indexes are added to their table. They may include earlier transactions, so only
/// differences count.
const COUNTERS: &str = "SELECT coalesce(pg_partition_root(t.oid), t.oid)::regclass::text, \
     sum(pg_stat_get_xact_numscans(c.oid))::int8, sum(CASE WHEN c.relkind = 'r' THEN \
     pg_stat_get_xact_tuples_inserted(c.oid) + pg_stat_get_xact_tuples_updated(c.oid) \
     + pg_stat_get_xact_tuples_deleted(c.oid) ELSE 0 END)::int8 \
     FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid JOIN pg_class t ON t.oid = coalesce(i.indrelid, c.oid) \
     WHERE c.relkind IN ('r', 'm', 'i') AND t.relkind <> 't' AND c.oid >= 16384 GROUP BY 1";

/// Activity of a statement on one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableActivity {
    /// The table, written as in SQL: schema-qualified if necessary. Activity on a partition counts for its table.
    pub table: String,
    /// Number of rows inserted, updated and deleted; 0 if the table was only read.
    pub rows_written: u64,
}

/// Number of scans and of rows written, by table.
#[derive(Debug)]
pub(crate) struct Counters(BTreeMap<String, (i64, i64)>);

impl Counters {
    /// Reads the current counters.
    pub(crate) async fn now(client: &Client) -> Result<Self, Error> {
        let rows =
            client.query(COUNTERS, &[]).await.map_err(Error::database("read the counters of tables"))?;
        Ok(Self(rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect()))
    }

    /// Returns the activity since `before`.
    pub(crate) fn since(self, before: &Self) -> Vec<TableActivity> {
        let grown = self.0.into_iter().filter_map(|(table, (scans, rows))| {
            let (scans_before, rows_before) = before.0.get(&table).copied().unwrap_or_default();
            let rows_written = u64::try_from(rows - rows_before).unwrap_or_default();
            (scans > scans_before || rows_written > 0).then_some(TableActivity { table, rows_written })
        });
        grown.collect()
    }
}
