//! The proof of the gate itself: schemas that are wrong by one index, which the cases have to notice.

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

/// What is done to an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MutantKind {
    /// It is dropped.
    Drop,
    /// Two neighbouring keys change places.
    SwapColumns,
    /// It is no longer partial.
    WidenPredicate,
    /// A key becomes an expression of the same value, which no query asks for.
    WrapInExpression,
}

impl MutantKind {
    /// All of them, in the order of a report.
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

/// A change of one index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mutant {
    /// Kind, index and what is special, e.g. `swap idx_trees_species: height before species`. Unique in a schema.
    pub name: String,
    /// What is done.
    pub kind: MutantKind,
    /// The bare name of the index; a changed index has the same.
    pub index: String,
    /// The SQL, to be run in this order inside a transaction that is rolled back.
    pub statements: Vec<String>,
}

impl Mutant {
    /// Changes the schema, inside the transaction that the caller has open on `client` and rolls back after the
    /// replays. There is no other way back.
    ///
    /// The table stays locked against everybody else until then, so every mutant needs a database that nobody else
    /// uses. Where the index of a partitioned table is made anew, those of its partitions get names of the server's
    /// choice: [`Catalogue::load`] in the same transaction says which ones.
    ///
    /// # Errors
    /// [`Error::Database`] when the server refuses; the transaction is then of no further use but to be rolled back.
    pub async fn apply(&self, client: &Client) -> Result<(), Error> {
        let doing = format!("apply the mutant `{}`", self.name);
        client.batch_execute(&self.statements.join(";\n")).await.map_err(Error::database(doing))
    }
}

/// Every change of one index, in the order of the catalogue:
///
/// - each index dropped, with the constraint that it enforces and the foreign keys that refer to it;
/// - of each composite index each two neighbouring keys swapped. Order, operator class, collation, INCLUDE, condition
///   and constraint stay, and the foreign keys that refer to it come back;
/// - each partial index without its condition. A unique one is then unique no more: the rows outside of the condition
///   were never promised to be;
/// - each key wrapped into an expression that changes nothing, where its type has one under the index's access
///   method: all numbers, texts, times, ids, flags, enums and arrays in a btree, few others. A constraint's index is
///   then a plain unique one, on partitioned tables not even that.
///
/// Methods that keep no order of keys (GIN, BRIN) are not swapped: that would change nothing. An index that
/// enforces an exclusion, or one of times without overlaps, is only dropped. Indexes of partitions change with their
/// table's.
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

/// Exclusions compare by operators of their own, which a plain index cannot stand for.
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
