//! Mutants: schemas in which one index is dropped or changed, and which the cases have to notice.

mod definition;
mod judging;
mod score;
mod wrap;

use crate::Error;
use crate::catalogue::{Catalogue, ConstraintKind, Index, Key};
use serde::Serialize;
use std::fmt;
use tokio_postgres::Client;

pub use judging::{Bound, Measured, Refused, judge_ablation, judge_mutant};
pub use score::{KilledBy, MutantOutcome, Score, Tally};

/// Change of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MutantKind {
    /// The index is dropped.
    Drop,
    /// Two neighbouring keys are swapped.
    SwapColumns,
    /// The predicate of a partial index is removed.
    WidenPredicate,
    /// A key is replaced by an expression of the same value, which no query uses.
    WrapInExpression,
}

impl MutantKind {
    /// All kinds, in the order of reports.
    pub const ALL: [Self; 4] = [Self::Drop, Self::SwapColumns, Self::WidenPredicate, Self::WrapInExpression];
}

impl fmt::Display for MutantKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Drop => "drop",
            Self::SwapColumns => "swap",
            Self::WidenPredicate => "widen",
            Self::WrapInExpression => "wrap",
        })
    }
}

/// A schema in which one index is changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mutant {
    /// Kind, index and details, e.g. `swap idx_trees_species: height before species`. Unique in a schema.
    pub name: String,
    /// Kind of the change.
    pub kind: MutantKind,
    /// Bare name of the index, before and after the change.
    pub index: String,
    /// SQL statements, in order.
    pub statements: Vec<String>,
}

impl Mutant {
    /// Changes the schema in the current transaction of `client`.
    ///
    /// The change is undone only by rolling back. Until then the table is locked, so use a database without other
    /// sessions. If the index of a partitioned table is recreated, the server chooses the names of the indexes of its
    /// partitions: [`Catalogue::load`] in the same transaction returns them.
    ///
    /// # Errors
    /// Returns [`Error::Database`] if the server rejects a statement; the transaction must then be rolled back.
    pub async fn apply(&self, client: &Client) -> Result<(), Error> {
        let doing = format!("apply the mutant `{}`", self.name);
        client.batch_execute(&self.statements.join(";\n")).await.map_err(Error::database(doing))
    }
}

/// Returns every mutant of every index, in the order of the catalogue:
///
/// - each index dropped, with the constraint that it enforces and the foreign keys that reference it;
/// - each pair of neighbouring keys of a composite index swapped. Order, operator class, collation, INCLUDE, predicate
///   and constraint are preserved, and foreign keys are recreated;
/// - each partial index without its predicate. A unique index is then no longer unique, because other rows may be
///   duplicates;
/// - each key wrapped in an expression of the same value, if its type has one for the access method: numbers, texts,
///   times, ids, booleans, enums and arrays in a btree, few others. The index of a constraint becomes a plain unique
///   index, on partitioned tables a plain one.
///
/// Keys of GIN and BRIN indexes are not swapped, because their order does not matter. The index of an exclusion
/// constraint or of WITHOUT OVERLAPS is only dropped. Indexes of partitions change with those of their table.
///
/// ```
/// use steadfast_plans::{Catalogue, mutants};
///
/// assert!(mutants(&Catalogue::default()).is_empty());
/// ```
pub fn mutants(catalogue: &Catalogue) -> Vec<Mutant> {
    catalogue.whole_indexes().flat_map(|index| of_index(catalogue, index)).collect()
}

fn of_index(catalogue: &Catalogue, index: &Index) -> Vec<Mutant> {
    let drop = Mutant {
        name: format!("{} {}", MutantKind::Drop, index.sql_name),
        kind: MutantKind::Drop,
        index: index.name.clone(),
        statements: vec![definition::drop_statement(index)],
    };
    if !can_be_changed(index) {
        return vec![drop];
    }
    let mut all = vec![drop];
    all.extend(swaps(catalogue, index));
    all.extend(widened(catalogue, index));
    all.extend(wrapped(catalogue, index));
    all
}

/// Returns true unless the constraint compares with its own operators, which a plain index cannot express.
fn can_be_changed(index: &Index) -> bool {
    index
        .constraint
        .as_ref()
        .is_none_or(|constraint| constraint.kind != ConstraintKind::Exclusion && !constraint.is_temporal)
}

fn swaps(catalogue: &Catalogue, index: &Index) -> Vec<Mutant> {
    let ordered = !matches!(index.method.as_str(), "gin" | "brin");
    let last = if ordered { index.keys.len().saturating_sub(1) } else { 0 };
    let swap = |n: usize| {
        let mut changed = index.clone();
        changed.keys.swap(n, n + 1);
        let what = format!("{} before {}", index.keys[n + 1].sql, index.keys[n].sql);
        changed_index(catalogue, MutantKind::SwapColumns, index, &changed, &what)
    };
    (0..last).map(swap).collect()
}

fn widened(catalogue: &Catalogue, index: &Index) -> Option<Mutant> {
    let predicate = index.predicate.as_ref()?;
    let changed = Index { predicate: None, is_unique: false, ..index.clone() };
    let what = format!("without {predicate}");
    Some(changed_index(catalogue, MutantKind::WidenPredicate, index, &changed, &what))
}

fn wrapped(catalogue: &Catalogue, index: &Index) -> Vec<Mutant> {
    let partitioned = definition::is_partitioned(catalogue, index);
    let wrap = |(n, key): (usize, &Key)| {
        let mut changed = index.clone();
        changed.keys[n] = wrap::wrapped(key, &index.method)?;
        changed.constraint = None;
        changed.is_unique &= !partitioned;
        let what = changed.keys[n].sql.clone();
        Some(changed_index(catalogue, MutantKind::WrapInExpression, index, &changed, &what))
    };
    index.keys.iter().enumerate().filter_map(wrap).collect()
}

fn changed_index(
    catalogue: &Catalogue,
    kind: MutantKind,
    index: &Index,
    changed: &Index,
    what: &str,
) -> Mutant {
    let name = format!("{kind} {}: {what}", index.sql_name);
    let statements = definition::replacement(catalogue, index, changed);
    Mutant { name, kind, index: index.name.clone(), statements }
}
