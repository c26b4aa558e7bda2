//! Facts of the catalogue that verdicts need: sizes, partitions, partial indexes, foreign keys.

use crate::Error;
use crate::explain::Relation;
use std::collections::{HashMap, HashSet};
use tokio_postgres::Client;

/// Maximum number of pages of a table that is read as fast without an index.
const FEW_PAGES: i64 = 8;

const RELATIONS: &str = "SELECT n.nspname::text, c.relname::text, c.relkind IN ('i', 'I') AS is_index, \
     CASE WHEN c.relkind IN ('p', 'I') THEN 0 ELSE pg_relation_size(c.oid) / current_setting('block_size')::int8 END, \
     c.reltuples::float8, coalesce(root.relname, c.relname)::text, pg_get_expr(i.indpred, i.indrelid), \
     EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = c.oid AND k.contype = 'f'), \
     EXISTS (SELECT 1 FROM pg_am a WHERE a.oid = c.relam AND a.amname = 'gin') \
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_index i ON i.indexrelid = c.oid \
     LEFT JOIN pg_class root ON root.oid = pg_partition_root(c.oid) \
     WHERE c.relkind IN ('r', 'p', 'm', 'i', 'I') AND n.nspname NOT IN ('pg_catalog', 'pg_toast', 'information_schema')";

/// Facts of one database.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    tables: HashMap<Relation, Table>,
    indexes: HashMap<String, Index>,
    /// Ids of user-defined types.
    types: HashSet<u32>,
}

#[derive(Debug)]
struct Table {
    pages: i64,
    rows: f64,
    root: String,
}

#[derive(Debug)]
struct Index {
    root: String,
    predicate: Option<String>,
    is_referenced: bool,
    is_inverted: bool,
}

impl Facts {
    pub(crate) async fn read(client: &Client) -> Result<Self, Error> {
        let mut facts = Self::default();
        let rows = client.query(RELATIONS, &[]).await.map_err(Error::database("read the catalogue"))?;
        for row in rows {
            let (schema, name, root) = (row.get(0), row.get::<_, String>(1), row.get(5));
            if row.get(2) {
                let index =
                    Index { root, predicate: row.get(6), is_referenced: row.get(7), is_inverted: row.get(8) };
                facts.indexes.insert(name, index);
            } else {
                let table = Table { pages: row.get(3), rows: row.get(4), root };
                facts.tables.insert(Relation { schema, name }, table);
            }
        }
        let made = "SELECT oid FROM pg_type WHERE oid >= 16384";
        let rows = client.query(made, &[]).await.map_err(Error::database("read the types"))?;
        facts.types = rows.iter().map(|row| row.get(0)).collect();
        Ok(facts)
    }

    /// Returns the name of the table: for a partition that of its root.
    pub(crate) fn table<'a>(&'a self, relation: &'a Relation) -> &'a str {
        self.tables.get(relation).map_or(&relation.name, |table| &table.root)
    }

    /// Returns the name of the index: for the index of a partition that of its root.
    pub(crate) fn index<'a>(&'a self, name: &'a str) -> &'a str {
        self.indexes.get(name).map_or(name, |index| &index.root)
    }

    /// Returns true if reading the whole table costs next to nothing. Unknown tables are those of the system, which are
    /// small.
    pub(crate) fn is_small(&self, relation: &Relation) -> bool {
        self.tables.get(relation).is_none_or(|table| table.pages <= FEW_PAGES)
    }

    /// Returns the rows of the table by its statistics.
    pub(crate) fn rows(&self, relation: &Relation) -> Option<f64> {
        self.tables.get(relation).map(|table| table.rows).filter(|rows| *rows >= 0.0)
    }

    /// Returns true if reading the whole table, with its partitions, costs next to nothing. `name` is written as in SQL.
    pub(crate) fn is_small_table(&self, name: &str) -> bool {
        let (schema, name) = name.split_once('.').map_or((None, name), |(schema, name)| (Some(schema), name));
        let of_table = self.tables.iter().filter(|(relation, table)| {
            table.root == name && schema.is_none_or(|schema| relation.schema == schema)
        });
        of_table.map(|(_, table)| table.pages).sum::<i64>() <= FEW_PAGES
    }

    /// Returns the predicate of a partial index.
    pub(crate) fn predicate(&self, index: &str) -> Option<&str> {
        self.indexes.get(index)?.predicate.as_deref()
    }

    /// Returns true if a foreign key references its columns. Such an index is used to look up parents, whether declared
    /// or not.
    pub(crate) fn is_referenced(&self, index: &str) -> bool {
        self.indexes.get(index).is_some_and(|index| index.is_referenced)
    }

    /// Returns true for a GIN index.
    pub(crate) fn is_inverted(&self, index: &str) -> bool {
        self.indexes.get(index).is_some_and(|index| index.is_inverted)
    }

    /// Returns the type id, or 0 to let the server infer a type that this database does not have.
    pub(crate) fn type_id(&self, oid: u32) -> u32 {
        if oid < 16_384 || self.types.contains(&oid) { oid } else { 0 }
    }
}
