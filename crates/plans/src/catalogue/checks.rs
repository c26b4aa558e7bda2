//! Checks of the schema that need no query.

mod columns;
mod indexes;
mod names;
mod references;
mod tables;

use super::Catalogue;
use crate::{Finding, Rule};

/// Results of the checks of a catalogue; each list is sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Faults, which cost time, space or correctness in any schema. There should be none.
    pub findings: Vec<Finding>,
    /// Remarks on things that are a fault in one schema and intended in another. They fail nothing.
    pub notes: Vec<Finding>,
}

type Check = fn(&Catalogue) -> Vec<Finding>;

/// Checks for faults.
const FINDINGS: &[Check] = &[
    indexes::invalid,
    indexes::duplicate,
    indexes::redundant,
    indexes::over_arrays,
    indexes::mostly_null,
    indexes::needless_not_null,
    references::without_index,
    references::of_another_type,
    references::duplicate,
    references::partly_null,
    tables::without_primary_key,
    tables::constraint_not_valid,
    tables::sequence_near_its_end,
    tables::sequence_wider_than_its_column,
    columns::timestamp_without_zone,
    columns::inexact_money,
    columns::json,
    columns::serial_beside_the_key,
    names::cut_off,
];

/// Checks for remarks.
const NOTES: &[Check] = &[
    indexes::timestamp_before_the_last_key,
    indexes::leading_boolean,
    references::overlapping,
    references::to_itself_without_delete_rule,
    tables::all_nullable,
    tables::without_comment,
    columns::serial_key,
    columns::limited_text,
    columns::without_comment,
    names::same_name_other_type,
];

impl Catalogue {
    /// Checks the schema.
    ///
    /// Findings are: indexes that are invalid, duplicate, a prefix of another one, btree over an array, mostly NULL, or
    /// partial with a predicate that always holds; foreign keys without an index, with a type that differs from the
    /// referenced one, duplicate, or unchecked if one column is NULL; tables without a primary key; constraints that
    /// are NOT VALID; sequences that are more than 80 % used or wider than their column; timestamps without time zone;
    /// money in floating point or of type `money`; `json`; `serial` outside of the primary key; truncated names.
    ///
    /// Notes are: timestamps before the last key of an index, indexes with a leading boolean, overlapping foreign keys,
    /// self-references without ON DELETE, tables in which everything but the key is nullable, `serial` keys,
    /// `varchar(n)` and `char(n)`, tables and columns without a comment, and column names with two types.
    ///
    /// Partitions are checked as parts of their table. Unused indexes are found by [`unclaimed`](super::unclaimed).
    pub fn check(&self) -> Checked {
        let run = |checks: &[Check]| {
            let mut found: Vec<Finding> = checks.iter().flat_map(|check| check(self)).collect();
            found.sort_by(|a, b| (&a.subject, &a.found).cmp(&(&b.subject, &b.found)));
            found
        };
        Checked { findings: run(FINDINGS), notes: run(NOTES) }
    }
}

pub(super) fn finding(
    subject: impl Into<String>,
    expected: &str,
    found: impl Into<String>,
    suggestion: impl Into<String>,
) -> Finding {
    Finding::new(Rule::Catalogue, subject, expected, found, suggestion)
}
