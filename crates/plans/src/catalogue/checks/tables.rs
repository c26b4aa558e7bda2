//! Checks of tables, their constraints and sequences.

use super::finding;
use crate::Finding;
use crate::catalogue::{Catalogue, Constraint, Sequence, SequenceOwner, Table, TableKind};

/// Maximum share of a sequence that may be used, in percent.
const USED_UP: i64 = 80;

pub(super) fn without_primary_key(catalogue: &Catalogue) -> Vec<Finding> {
    let keyless = |table: &&Table| table.kind != TableKind::MaterializedView && table.primary_key.is_empty();
    let to_finding = |table: &Table| {
        let suggestion = format!("ALTER TABLE {} ADD PRIMARY KEY (…);", table.name);
        finding(&table.name, "a primary key", "none, so rows can be duplicates", suggestion)
    };
    catalogue.whole_tables().filter(keyless).map(to_finding).collect()
}

pub(super) fn constraint_not_valid(catalogue: &Catalogue) -> Vec<Finding> {
    let to_finding = |constraint: &Constraint| {
        let Constraint { name, table, .. } = constraint;
        let suggestion = format!("ALTER TABLE {table} VALIDATE CONSTRAINT {name};");
        finding(format!("{table}.{name}"), "a constraint that holds for every row", "NOT VALID", suggestion)
    };
    catalogue.constraints.iter().filter(|constraint| !constraint.is_valid).map(to_finding).collect()
}

pub(super) fn sequence_near_its_end(catalogue: &Catalogue) -> Vec<Finding> {
    let to_finding = |sequence: &Sequence| {
        let (last, end) = (sequence.last_value?, end(sequence));
        let used = i128::from(last) * 100 / i128::from(end.max(1));
        let is_near = !sequence.cycles && used > i128::from(USED_UP);
        let suggestion = wider(sequence);
        let found = format!("{last} of {end}, {used} %");
        is_near.then(|| finding(&sequence.name, "at most 80 % of a sequence used", found, suggestion))
    };
    catalogue.sequences.iter().filter_map(to_finding).collect()
}

fn wider(sequence: &Sequence) -> String {
    match &sequence.owner {
        _ if end(sequence) == i64::MAX => {
            "start anew from a number that is free: no integer is wider".to_owned()
        }
        Some(SequenceOwner { table, column, .. }) => {
            format!(
                "ALTER TABLE {table} ALTER {column} TYPE bigint; ALTER SEQUENCE {} AS bigint;",
                sequence.name
            )
        }
        None => format!("ALTER SEQUENCE {} AS bigint;", sequence.name),
    }
}

pub(super) fn sequence_wider_than_its_column(catalogue: &Catalogue) -> Vec<Finding> {
    let to_finding = |sequence: &Sequence| {
        let owner = sequence.owner.as_ref().filter(|_| end(sequence) < sequence.maximum)?;
        let found = format!("{}.{} is {}", owner.table, owner.column, owner.data_type);
        let suggestion = format!("ALTER TABLE {} ALTER {} TYPE bigint;", owner.table, owner.column);
        Some(finding(
            &sequence.name,
            "a column that can store every value of its sequence",
            found,
            suggestion,
        ))
    };
    catalogue.sequences.iter().filter_map(to_finding).collect()
}

/// Returns the last value that the sequence can generate and its column can store.
fn end(sequence: &Sequence) -> i64 {
    let column = match sequence.owner.as_ref().map(|owner| owner.data_type.as_str()) {
        Some("smallint") => i16::MAX.into(),
        Some("integer") => i32::MAX.into(),
        _ => i64::MAX,
    };
    sequence.maximum.min(column)
}

pub(super) fn all_nullable(catalogue: &Catalogue) -> Vec<Finding> {
    let vague = |table: &&Table| {
        let mut others =
            table.columns.iter().filter(|column| !table.primary_key.contains(&column.name)).peekable();
        table.kind != TableKind::MaterializedView
            && others.peek().is_some()
            && others.all(|column| !column.not_null)
    };
    let to_finding = |table: &Table| {
        let suggestion = "SET NOT NULL for columns that every row must have";
        finding(&table.name, "a NOT NULL column besides the key", "all others are nullable", suggestion)
    };
    catalogue.whole_tables().filter(vague).map(to_finding).collect()
}

pub(super) fn without_comment(catalogue: &Catalogue) -> Vec<Finding> {
    let to_finding = |table: &Table| {
        let what = match table.kind {
            TableKind::MaterializedView => "MATERIALIZED VIEW",
            TableKind::Plain | TableKind::Partitioned => "TABLE",
        };
        let suggestion = format!("COMMENT ON {what} {} IS '…';", table.name);
        finding(&table.name, "a comment", "none", suggestion)
    };
    catalogue.whole_tables().filter(|table| !table.has_comment).map(to_finding).collect()
}
