//! Which tables a statement read and wrote by the server's own counters: also behind its plan, by functions, triggers and
//! foreign keys.

use crate::Error;
use serde::Serialize;
use std::collections::BTreeMap;
use steadfast_postgres::tokio_postgres::Client;

/// Partitions and indexes count as their table. Counters of the open transaction may go back beyond it: compare two.
const COUNTERS: &str = "SELECT coalesce(pg_partition_root(t.oid), t.oid)::regclass::text, \
     sum(pg_stat_get_xact_numscans(c.oid))::int8, sum(CASE WHEN c.relkind = 'r' THEN \
     pg_stat_get_xact_tuples_inserted(c.oid) + pg_stat_get_xact_tuples_updated(c.oid) \
     + pg_stat_get_xact_tuples_deleted(c.oid) ELSE 0 END)::int8 \
     FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid JOIN pg_class t ON t.oid = coalesce(i.indrelid, c.oid) \
     WHERE c.relkind IN ('r', 'm', 'i') AND t.relkind <> 't' AND c.oid >= 16384 GROUP BY 1";

/// One table that a statement read or wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableActivity {
    /// The table, written as in SQL: with its schema where it needs that. A partition counts as its table.
    pub table: String,
    /// Rows inserted, updated and deleted there; 0 when it was read alone.
    pub rows_written: u64,
}

/// The counters of each table: scans, and rows written.
#[derive(Debug)]
pub(crate) struct Counters(BTreeMap<String, (i64, i64)>);

impl Counters {
    /// The counters as they stand.
    pub(crate) async fn now(client: &Client) -> Result<Self, Error> {
        let rows =
            client.query(COUNTERS, &[]).await.map_err(Error::database("read the counters of tables"))?;
        Ok(Self(rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect()))
    }

    /// The tables whose counters have grown since `before`.
    pub(crate) fn since(self, before: &Self) -> Vec<TableActivity> {
        let grown = self.0.into_iter().filter_map(|(table, (scans, rows))| {
            let (scans_before, rows_before) = before.0.get(&table).copied().unwrap_or_default();
            let rows_written = u64::try_from(rows - rows_before).unwrap_or_default();
            (scans > scans_before || rows_written > 0).then_some(TableActivity { table, rows_written })
        });
        grown.collect()
    }
}
