//! What the schema is: tables, indexes, keys, constraints and sequences, as the server itself writes them.

mod checks;
mod claims;
mod load;

use std::collections::BTreeMap;

pub use checks::Checked;
pub use claims::{Claims, Documented, unclaimed};

/// The user schemas of one database at one moment. Schemas of the system and what belongs to an extension are left
/// out. Names are spelled as SQL needs them: quoted where they must be, with their schema where the session's
/// `search_path` would not find them. Only [`Index::name`] is bare, as EXPLAIN prints it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalogue {
    /// The server's version, e.g. `15.18`.
    pub version: String,
    /// Tables, partitions and materialized views, by name.
    pub tables: Vec<Table>,
    /// Indexes of those, by table and name; invalid ones and those of partitions included.
    pub indexes: Vec<Index>,
    /// Foreign keys, by table and name; copies that a partition inherits are left out.
    pub foreign_keys: Vec<ForeignKey>,
    /// Check and foreign key constraints, by table and name.
    pub constraints: Vec<Constraint>,
    /// Sequences, by name.
    pub sequences: Vec<Sequence>,
}

/// What holds the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableKind {
    /// An ordinary table, a partition among them.
    Plain,
    /// A table whose rows are in its partitions.
    Partitioned,
    /// The kept result of a query, which has no constraints.
    MaterializedView,
}

/// A table, partition or materialized view.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Its name, e.g. `trees` or `"Trees"`.
    pub name: String,
    /// What it is.
    pub kind: TableKind,
    /// The table that it is a partition of.
    pub parent: Option<String>,
    /// The columns of its primary key in their order; empty without one.
    pub primary_key: Vec<String>,
    /// Whether it has a comment.
    pub has_comment: bool,
    /// Its columns in their order; dropped ones are left out.
    pub columns: Vec<Column>,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type with length or precision, e.g. `character varying(20)`.
    pub data_type: String,
    /// Whether null is refused.
    pub not_null: bool,
    /// Whether its default is the next value of a sequence: what `serial` makes, and identity does not.
    pub is_serial: bool,
    /// Whether it has a comment.
    pub has_comment: bool,
    /// The share of nulls, 0 to 1, that the last ANALYZE found; `None` before the first.
    pub null_fraction: Option<f32>,
}

/// An index.
#[derive(Clone, Debug, PartialEq)]
pub struct Index {
    /// Its bare name, as EXPLAIN prints it.
    pub name: String,
    /// Its name as SQL needs it.
    pub sql_name: String,
    /// The table.
    pub table: String,
    /// The access method: `btree`, `gin`, …
    pub method: String,
    /// The key columns in their order.
    pub keys: Vec<Key>,
    /// The columns that are only carried along (`INCLUDE`).
    pub included: Vec<String>,
    /// The condition of a partial index.
    pub predicate: Option<String>,
    /// Whether it refuses duplicates.
    pub is_unique: bool,
    /// Whether two nulls are duplicates.
    pub nulls_not_distinct: bool,
    /// False after a CREATE INDEX CONCURRENTLY that failed: it costs every write and serves no read.
    pub is_valid: bool,
    /// Storage parameters, e.g. `fillfactor='70'`; empty when all are the default.
    pub storage: String,
    /// The constraint that it enforces.
    pub constraint: Option<BackedConstraint>,
    /// The bare name of the index of the partitioned table that this one is a part of.
    pub parent: Option<String>,
    /// Its size in bytes, all parts together.
    pub bytes: i64,
    /// The statement that makes it.
    pub definition: String,
}

/// A column or expression that an index is ordered by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// As CREATE INDEX needs it: an expression has its parentheses.
    pub sql: String,
    /// The column, when it is one and no expression.
    pub column: Option<String>,
    /// The type without length, domains resolved; empty for an expression under a method whose entries have
    /// another type than the expression.
    pub data_type: String,
    /// The operator class with its parameters, when it is not the type's default.
    pub opclass: Option<String>,
    /// The collation, when it is not the column's own.
    pub collation: Option<String>,
    /// Largest first.
    pub is_descending: bool,
    /// Nulls before the values.
    pub nulls_first: bool,
}

/// What an index-backed constraint demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConstraintKind {
    /// PRIMARY KEY
    PrimaryKey,
    /// UNIQUE
    Unique,
    /// EXCLUDE
    Exclusion,
}

/// The constraint that an index enforces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackedConstraint {
    /// Its name, which is the index's too.
    pub name: String,
    /// What it demands.
    pub kind: ConstraintKind,
    /// `DEFERRABLE …` as SQL, empty when it is checked at once.
    pub timing: String,
    /// Whether it is made of more than columns and their uniqueness (`WITHOUT OVERLAPS`).
    pub is_temporal: bool,
}

/// A foreign key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignKey {
    /// Its name.
    pub name: String,
    /// The table that has it.
    pub table: String,
    /// Its columns and what they refer to, in their order.
    pub columns: Vec<ForeignColumn>,
    /// The table that it refers to.
    pub referenced_table: String,
    /// The bare name of the index that finds the referenced row.
    pub referenced_index: Option<String>,
    /// MATCH FULL: part of it null is refused, where by default it is then not checked at all.
    pub is_match_full: bool,
    /// Whether ON DELETE says anything: cascade, set null, set default, restrict.
    pub has_delete_rule: bool,
    /// The constraint as SQL, e.g. `FOREIGN KEY (forest) REFERENCES forests(id)`.
    pub definition: String,
}

/// One column of a foreign key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignColumn {
    /// The referring column.
    pub name: String,
    /// Its type with length or precision.
    pub data_type: String,
    /// Whether null is refused.
    pub not_null: bool,
    /// The referenced column.
    pub referenced: String,
    /// The referenced column's type.
    pub referenced_type: String,
}

/// A check or foreign key constraint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    /// Its name.
    pub name: String,
    /// The table that has it.
    pub table: String,
    /// False for one that was added NOT VALID: old rows may break it.
    pub is_valid: bool,
}

/// A sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// Its name.
    pub name: String,
    /// The value given out last; `None` before the first.
    pub last_value: Option<i64>,
    /// The last value that it will give out.
    pub maximum: i64,
    /// Whether it begins anew after that.
    pub cycles: bool,
    /// The column that it feeds.
    pub owner: Option<SequenceOwner>,
}

/// The column that a sequence feeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceOwner {
    /// The table.
    pub table: String,
    /// The column.
    pub column: String,
    /// The column's type.
    pub data_type: String,
}

impl Index {
    /// Whether it keeps rows from being stored, as a constraint or by being unique: then it is needed whoever reads by it.
    pub fn is_enforcing(&self) -> bool {
        self.constraint.is_some() || self.is_unique
    }
}

impl Catalogue {
    /// The catalogue without `tables` and all that belongs to them: for those that a tool keeps for itself, such as
    /// the list of migrations that ran.
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

    /// The table of that name.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.name == name)
    }

    /// The index of that bare name; the first, should two schemas have one.
    pub fn index(&self, name: &str) -> Option<&Index> {
        self.indexes.iter().find(|index| index.name == name)
    }

    /// Tables that are nobody's partition.
    pub fn whole_tables(&self) -> impl Iterator<Item = &Table> + Clone {
        self.tables.iter().filter(|table| table.parent.is_none())
    }

    /// Indexes that are no part of a partitioned table's index: what a person made and can drop.
    pub fn whole_indexes(&self) -> impl Iterator<Item = &Index> {
        self.indexes.iter().filter(|index| index.parent.is_none())
    }

    /// The index that `name` counts as: for the index of a partition that of the whole table, else itself.
    pub fn whole_index_of<'a>(&'a self, name: &'a str) -> &'a str {
        let parent = |name: &str| self.index(name).and_then(|index| index.parent.as_deref());
        // A tree of partitions is never deeper than there are indexes.
        (0..self.indexes.len()).fold(name, |name, _| parent(name).unwrap_or(name))
    }

    /// For each index of a partition the index of the whole table that it counts as.
    pub fn partition_indexes(&self) -> BTreeMap<String, String> {
        let parts = self.indexes.iter().filter(|index| index.parent.is_some());
        parts.map(|part| (part.name.clone(), self.whole_index_of(&part.name).to_owned())).collect()
    }

    fn column(&self, table: &str, column: &str) -> Option<&Column> {
        self.table(table)?.columns.iter().find(|candidate| candidate.name == column)
    }
}

impl Index {
    /// The columns among its keys.
    pub fn key_columns(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().filter_map(|key| key.column.as_deref())
    }
}
