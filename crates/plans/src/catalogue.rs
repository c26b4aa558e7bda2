//! The schema of a database: tables, indexes, keys, constraints and sequences.

mod checks;
mod claims;
mod load;

use std::collections::BTreeMap;

pub use checks::Checked;
pub use claims::{Claims, Documented, unclaimed};

/// Snapshot of the user schemas of a database, without system schemas and objects of extensions.
///
/// Names are written as SQL needs them: quoted if necessary, and schema-qualified if the session's `search_path` would
/// not find them. Only [`Index::name`] is bare, as in EXPLAIN.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalogue {
    /// Version of the server, e.g. `15.18`.
    pub version: String,
    /// Tables, partitions and materialized views, by name.
    pub tables: Vec<Table>,
    /// Indexes, by table and name; includes invalid ones and those of partitions.
    pub indexes: Vec<Index>,
    /// Foreign keys, by table and name; without the copies that partitions inherit.
    pub foreign_keys: Vec<ForeignKey>,
    /// Check and foreign key constraints, by table and name.
    pub constraints: Vec<Constraint>,
    /// Sequences, by name.
    pub sequences: Vec<Sequence>,
}

/// Kind of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableKind {
    /// An ordinary table or a partition.
    Plain,
    /// A table whose rows are in its partitions.
    Partitioned,
    /// A materialized view, which has no constraints.
    MaterializedView,
}

/// A table, partition or materialized view.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Name, e.g. `trees` or `"Trees"`.
    pub name: String,
    /// Kind.
    pub kind: TableKind,
    /// Parent table of a partition.
    pub parent: Option<String>,
    /// Columns of the primary key, in order; empty if there is none.
    pub primary_key: Vec<String>,
    /// True if it has a comment.
    pub has_comment: bool,
    /// Columns, in order; without dropped ones.
    pub columns: Vec<Column>,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Name.
    pub name: String,
    /// Type with length or precision, e.g. `character varying(20)`.
    pub data_type: String,
    /// True if the column is NOT NULL.
    pub not_null: bool,
    /// True if the default is the next value of a sequence, as for `serial`; false for identity columns.
    pub is_serial: bool,
    /// True if it has a comment.
    pub has_comment: bool,
    /// Fraction of NULLs, 0 to 1, by the last ANALYZE; `None` before the first.
    pub null_fraction: Option<f32>,
}

/// An index.
#[derive(Clone, Debug, PartialEq)]
pub struct Index {
    /// Bare name, as in EXPLAIN.
    pub name: String,
    /// Name as SQL needs it.
    pub sql_name: String,
    /// Table.
    pub table: String,
    /// Access method: `btree`, `gin`, …
    pub method: String,
    /// Key columns, in order.
    pub keys: Vec<Key>,
    /// Columns of INCLUDE.
    pub included: Vec<String>,
    /// Predicate of a partial index.
    pub predicate: Option<String>,
    /// True if the index is unique.
    pub is_unique: bool,
    /// True for NULLS NOT DISTINCT.
    pub nulls_not_distinct: bool,
    /// False after a failed CREATE INDEX CONCURRENTLY: such an index is maintained and never read.
    pub is_valid: bool,
    /// Storage parameters, e.g. `fillfactor='70'`; empty if all are the default.
    pub storage: String,
    /// Constraint that the index enforces.
    pub constraint: Option<BackedConstraint>,
    /// Bare name of the index of the partitioned table that this index belongs to.
    pub parent: Option<String>,
    /// Size in bytes, including partitions.
    pub bytes: i64,
    /// The CREATE INDEX statement.
    pub definition: String,
}

/// Key of an index: a column or an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Text for CREATE INDEX; an expression is in parentheses.
    pub sql: String,
    /// Column; `None` for an expression.
    pub column: Option<String>,
    /// Type without length, with domains resolved. Empty for an expression if the access method stores another type.
    pub data_type: String,
    /// Operator class with its parameters, if it is not the default of the type.
    pub opclass: Option<String>,
    /// Collation, if it is not that of the column.
    pub collation: Option<String>,
    /// True for DESC.
    pub is_descending: bool,
    /// True for NULLS FIRST.
    pub nulls_first: bool,
}

/// Kind of a constraint that an index enforces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConstraintKind {
    /// PRIMARY KEY
    PrimaryKey,
    /// UNIQUE
    Unique,
    /// EXCLUDE
    Exclusion,
}

/// Constraint that an index enforces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackedConstraint {
    /// Name, the same as that of the index.
    pub name: String,
    /// Kind.
    pub kind: ConstraintKind,
    /// `DEFERRABLE …` as SQL; empty for an immediate constraint.
    pub timing: String,
    /// True for WITHOUT OVERLAPS.
    pub is_temporal: bool,
}

/// A foreign key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignKey {
    /// Name.
    pub name: String,
    /// Referencing table.
    pub table: String,
    /// Columns and the columns that they reference, in order.
    pub columns: Vec<ForeignColumn>,
    /// Referenced table.
    pub referenced_table: String,
    /// Bare name of the index that finds the referenced row.
    pub referenced_index: Option<String>,
    /// True for MATCH FULL. Otherwise a key with a NULL is not checked at all.
    pub is_match_full: bool,
    /// True if ON DELETE is CASCADE, SET NULL, SET DEFAULT or RESTRICT.
    pub has_delete_rule: bool,
    /// Constraint as SQL, e.g. `FOREIGN KEY (forest) REFERENCES forests(id)`.
    pub definition: String,
}

/// Column of a foreign key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignColumn {
    /// Referencing column.
    pub name: String,
    /// Type of the referencing column, with length or precision.
    pub data_type: String,
    /// True if the referencing column is NOT NULL.
    pub not_null: bool,
    /// Referenced column.
    pub referenced: String,
    /// Type of the referenced column.
    pub referenced_type: String,
}

/// A check or foreign key constraint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    /// Name.
    pub name: String,
    /// Table.
    pub table: String,
    /// False if the constraint was added NOT VALID: existing rows may violate it.
    pub is_valid: bool,
}

/// A sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// Name.
    pub name: String,
    /// Last value; `None` before the first.
    pub last_value: Option<i64>,
    /// Maximum value.
    pub maximum: i64,
    /// True for CYCLE.
    pub cycles: bool,
    /// Column that owns the sequence.
    pub owner: Option<SequenceOwner>,
}

/// Column that owns a sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceOwner {
    /// Table.
    pub table: String,
    /// Column.
    pub column: String,
    /// Type of the column.
    pub data_type: String,
}

impl Index {
    /// Returns true if the index enforces a constraint or uniqueness, and is therefore needed even if no statement
    /// reads it.
    pub fn is_enforcing(&self) -> bool {
        self.constraint.is_some() || self.is_unique
    }
}

impl Catalogue {
    /// Removes `tables` and everything that belongs to them, e.g. the table of a migration tool.
    #[must_use]
    pub fn without(mut self, tables: &[&str]) -> Self {
        let stays = |name: &str| !tables.contains(&name);
        self.tables.retain(|table| stays(&table.name));
        self.indexes.retain(|index| stays(&index.table));
        self.foreign_keys.retain(|key| stays(&key.table));
        self.constraints.retain(|constraint| stays(&constraint.table));
        self.sequences.retain(|sequence| sequence.owner.as_ref().is_none_or(|owner| stays(&owner.table)));
        self
    }

    /// Returns the table of that name.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.name == name)
    }

    /// Returns the index of that bare name: the first one, if several schemas have one.
    pub fn index(&self, name: &str) -> Option<&Index> {
        self.indexes.iter().find(|index| index.name == name)
    }

    /// Returns the tables that are not partitions.
    pub fn whole_tables(&self) -> impl Iterator<Item = &Table> + Clone {
        self.tables.iter().filter(|table| table.parent.is_none())
    }

    /// Returns the indexes that are not parts of the index of a partitioned table: those that can be dropped on their
    /// own.
    pub fn whole_indexes(&self) -> impl Iterator<Item = &Index> {
        self.indexes.iter().filter(|index| index.parent.is_none())
    }

    /// Returns the index of the partitioned table if `name` is the index of a partition, and `name` otherwise.
    pub fn whole_index_of<'a>(&'a self, name: &'a str) -> &'a str {
        let parent = |name: &str| self.index(name).and_then(|index| index.parent.as_deref());
        // A tree of partitions is never deeper than the number of indexes.
        (0..self.indexes.len()).fold(name, |name, _| parent(name).unwrap_or(name))
    }

    /// Returns the index of the partitioned table for each index of a partition.
    pub fn partition_indexes(&self) -> BTreeMap<String, String> {
        let parts = self.indexes.iter().filter(|index| index.parent.is_some());
        parts.map(|part| (part.name.clone(), self.whole_index_of(&part.name).to_owned())).collect()
    }

    fn column(&self, table: &str, column: &str) -> Option<&Column> {
        self.table(table)?.columns.iter().find(|candidate| candidate.name == column)
    }
}

impl Index {
    /// Returns the columns among the keys.
    pub fn key_columns(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().filter_map(|key| key.column.as_deref())
    }
}
