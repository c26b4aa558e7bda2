//! The other direction of coverage: what every index is there for.

use super::{Catalogue, Index};
use crate::{Finding, Rule};
use std::collections::BTreeSet;

/// An index that no statement needs and that stays because somebody demanded it by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Documented<'a> {
    /// The bare name of the index.
    pub index: &'a str,
    /// Who demands it, e.g. a document and its section.
    pub by: &'a str,
}

/// What indexes are known to be good for, by bare names. A partition's index counts as its table's.
#[derive(Clone, Copy, Debug)]
pub struct Claims<'a> {
    /// Used by the plan of a case.
    pub used: &'a BTreeSet<String>,
    /// Seen to serve a foreign key when rows of the referenced table were deleted.
    pub supporting: &'a BTreeSet<String>,
    /// Demanded by a document.
    pub documented: &'a [Documented<'a>],
}

/// A finding for each index that nothing claims: no case, no constraint, no foreign key, no document. Also for each
/// document that demands an index which is not there.
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
        "find the statement that the index was made for: if it no longer takes the index, repair it; if no case reaches it, \
         add the case; if there is none: DROP INDEX {};",
        index.sql_name
    );
    Finding::new(
        Rule::Unneeded,
        &index.name,
        "a case, a constraint, a foreign key or a document that needs the index",
        format!("none, for {} bytes and a part of every write to {}", index.bytes, index.table),
        suggestion,
    )
}

fn not_there(documented: &Documented<'_>) -> Finding {
    Finding::new(
        Rule::Catalogue,
        documented.index,
        format!("the index that {} demands", documented.by),
        "no such index",
        "find the statement that the document has in mind; create the index, or take it off the list of documented ones",
    )
}
