//! Indexes that nothing claims.

use super::{Catalogue, Index};
use crate::{Finding, Rule};
use std::collections::BTreeSet;

/// Index that no statement needs, and that a document requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Documented<'a> {
    /// Bare name of the index.
    pub index: &'a str,
    /// Document that requires the index, e.g. with its section.
    pub by: &'a str,
}

/// Uses of indexes, by bare names. The index of a partition counts as that of its table.
#[derive(Clone, Copy, Debug)]
pub struct Claims<'a> {
    /// Indexes in the plan of a case.
    pub used: &'a BTreeSet<String>,
    /// Indexes that served a foreign key when referenced rows were deleted.
    pub supporting: &'a BTreeSet<String>,
    /// Indexes that a document requires.
    pub documented: &'a [Documented<'a>],
}

/// Returns a finding for each index that no case, constraint, foreign key or document needs, and for each required
/// index that does not exist.
pub fn unclaimed(catalogue: &Catalogue, claims: Claims<'_>) -> Vec<Finding> {
    let whole = |names: &BTreeSet<String>| -> BTreeSet<String> {
        names.iter().map(|name| catalogue.whole_index_of(name).to_owned()).collect()
    };
    let (used, supporting) = (whole(claims.used), whole(claims.supporting));
    let demanded = |index: &Index| claims.documented.iter().any(|documented| documented.index == index.name);
    let is_claimed = |index: &Index| {
        index.is_enforcing()
            || used.contains(&index.name)
            || supporting.contains(&index.name)
            || demanded(index)
    };
    let idle = catalogue.whole_indexes().filter(|index| !is_claimed(index)).map(unneeded);
    let missing = claims.documented.iter().filter(|documented| catalogue.index(documented.index).is_none());
    idle.chain(missing.map(not_there)).collect()
}

fn unneeded(index: &Index) -> Finding {
    let suggestion = format!(
        "find the statement that the index was created for: if it no longer uses the index, repair it; if no case sends it, \
         add the case; if there is none: DROP INDEX {};",
        index.sql_name
    );
    Finding::new(
        Rule::Unneeded,
        &index.name,
        "a case, a constraint, a foreign key or a document that needs the index",
        format!("none, at the cost of {} bytes and a part of every write to {}", index.bytes, index.table),
        suggestion,
    )
}

fn not_there(documented: &Documented<'_>) -> Finding {
    Finding::new(
        Rule::Catalogue,
        documented.index,
        format!("the index that {} requires", documented.by),
        "no such index",
        "find the statement that the document means; create the index, or remove it from the list of documented indexes",
    )
}
