//! What happens behind a statement: the server looks for parents and children of rows without showing a plan. Its own
//! counters of the open transaction tell which indexes it took for that.

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

/// Scans of the open transaction, by name: of indexes, and of whole tables.
#[derive(Debug, Default)]
pub(crate) struct Behind {
    pub(crate) indexes: BTreeMap<String, i64>,
    pub(crate) tables: BTreeMap<Relation, i64>,
}

impl Behind {
    /// The counters as they stand.
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

    /// What came since `before`.
    pub(crate) fn since(self, before: &Self) -> Self {
        Self { indexes: more(self.indexes, &before.indexes), tables: more(self.tables, &before.tables) }
    }

    /// What remains beside the scans of the plan itself.
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

    /// The indexes, each by its parent's name where it is a partition's.
    pub(crate) fn index_names(&self, facts: &Facts) -> Vec<String> {
        let names: BTreeSet<_> = self.indexes.keys().map(|index| facts.index(index).to_owned()).collect();
        names.into_iter().collect()
    }
}

/// Rows written, by table, each in quotes where it needs them. The counters go back beyond the open transaction: compare
/// two of them.
pub(crate) async fn written(client: &Client) -> Result<BTreeMap<String, i64>, Error> {
    let rows = client.query(WRITTEN, &[]).await.map_err(Error::database("read the counters of rows"))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// What has grown since `before`, and by how much.
pub(crate) fn more<K: Ord>(now: BTreeMap<K, i64>, before: &BTreeMap<K, i64>) -> BTreeMap<K, i64> {
    let grown = now.into_iter().map(|(name, count)| {
        let earlier = before.get(&name).copied().unwrap_or_default();
        (name, count - earlier)
    });
    grown.filter(|(_, count)| *count > 0).collect()
}
