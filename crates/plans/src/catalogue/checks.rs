//! What the schema alone shows to be wrong, and what deserves a second look.

mod columns;
mod indexes;
mod names;
mod references;
mod tables;

use super::Catalogue;
use crate::{Finding, Rule};

/// What the checks of a catalogue found, each part sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Faults: each costs time, space or correctness whatever the schema is for. There should be none.
    pub findings: Vec<Finding>,
    /// What is a fault in one schema and intended in another. For a person to read; nothing fails by them.
    pub notes: Vec<Finding>,
}

type Check = fn(&Catalogue) -> Vec<Finding>;

/// Faults whatever the schema is for.
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

/// Matters of taste or of the case.
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
    /// Checks the schema. Findings are: indexes that are invalid, duplicate, the beginning of another one, over an
    /// array by btree, full of nulls, or partial by a condition that always holds; foreign keys without an index, of
    /// another type than what they refer to, twice, or unchecked where one column is null; tables without primary
    /// key; constraints that are NOT VALID; sequences used up by more than 80 % or wider than their column; times
    /// without zone; money in floating point or of type `money`; `json`; `serial` beside the key; names that were
    /// cut off.
    ///
    /// Notes are: times before the last key of an index, indexes led by a boolean, overlapping foreign keys, those
    /// to the own table without ON DELETE, tables where all but the key may be null, `serial` keys, `varchar(n)` and
    /// `char(n)`, tables and columns without comment, and one column name with two types.
    ///
    /// A partition is judged as part of its table. Unused indexes are not seen here but by [`unclaimed`].
    ///
    /// [`unclaimed`]: super::unclaimed
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
