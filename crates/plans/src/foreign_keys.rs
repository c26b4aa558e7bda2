//! Scans that the server runs for foreign keys. They appear in no plan, so they are read from the counters of the
//! transaction.

use crate::Error;
use crate::explain::{Explained, Relation};
use crate::facts::Facts;
use std::collections::{BTreeMap, BTreeSet};
use steadfast_postgres::tokio_postgres::Client;

const SCANS: &str = "SELECT n.nspname::text, c.relname::text, c.relkind = 'i', pg_stat_get_xact_numscans(c.oid) \
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind IN ('r', 'i') AND n.nspname NOT IN ('pg_catalog', 'pg_toast', 'information_schema') \
     AND pg_stat_get_xact_numscans(c.oid) > 0";

const WRITTEN: &str = "SELECT c.oid::regclass::text, pg_stat_get_xact_tuples_inserted(c.oid) \
     + pg_stat_get_xact_tuples_updated(c.oid) + pg_stat_get_xact_tuples_deleted(c.oid) \
     FROM pg_class c WHERE c.relkind = 'r' AND c.oid >= 16384";

/// Scans outside of the plan, by index and by table.
#[derive(Debug, Default)]
pub(crate) struct Behind {
    pub(crate) indexes: BTreeMap<String, i64>,
    pub(crate) tables: BTreeMap<Relation, i64>,
}

impl Behind {
    /// Reads the current counters.
    pub(crate) async fn now(client: &Client) -> Result<Self, Error> {
        let rows = client.query(SCANS, &[]).await.map_err(Error::database("read the counters of scans"))?;
        let mut behind = Self::default();
        for row in rows {
            let (schema, name, scans) = (row.get(0), row.get(1), row.get(3));
            if row.get(2) {
                behind.indexes.insert(name, scans);
            } else {
                behind.tables.insert(Relation { schema, name }, scans);
            }
        }
        Ok(behind)
    }

    /// Returns the scans since `before`.
    pub(crate) fn since(self, before: &Self) -> Self {
        Self { indexes: more(self.indexes, &before.indexes), tables: more(self.tables, &before.tables) }
    }

    /// Removes the scans of the plan itself.
    pub(crate) fn without(mut self, explained: &Explained, facts: &Facts) -> Self {
        if explained.triggers.iter().all(|trigger| trigger.calls == 0) {
            return Self::default();
        }
        for node in explained.nodes() {
            let arbiters = node.conflict.iter().flat_map(|conflict| &conflict.arbiters);
            for used in node.index.iter().chain(arbiters) {
                self.indexes.retain(|index, _| facts.index(index) != facts.index(used));
            }
            let read = node.relation.as_ref().filter(|_| node.kind == "Seq Scan");
            read.into_iter().for_each(|relation| _ = self.tables.remove(relation));
        }
        self
    }

    /// Returns the names of the indexes; for the index of a partition that of its table.
    pub(crate) fn index_names(&self, facts: &Facts) -> Vec<String> {
        let names: BTreeSet<_> = self.indexes.keys().map(|index| facts.index(index).to_owned()).collect();
        names.into_iter().collect()
    }
}

/// Returns the rows written, by table. The counters may include earlier transactions, so only differences count.
pub(crate) async fn written(client: &Client) -> Result<BTreeMap<String, i64>, Error> {
    let rows = client.query(WRITTEN, &[]).await.map_err(Error::database("read the counters of rows"))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Returns the counters that are higher than `before`, with their increase.
pub(crate) fn more<K: Ord>(now: BTreeMap<K, i64>, before: &BTreeMap<K, i64>) -> BTreeMap<K, i64> {
    let grown = now.into_iter().map(|(name, count)| {
        let earlier = before.get(&name).copied().unwrap_or_default();
        (name, count - earlier)
    });
    grown.filter(|(_, count)| *count > 0).collect()
}
