//! Checks of foreign keys.

use super::finding;
use crate::Finding;
use crate::catalogue::{Catalogue, ForeignColumn, ForeignKey, Index};
use std::collections::BTreeSet;

pub(super) fn without_index(catalogue: &Catalogue) -> Vec<Finding> {
    let served = |key: &ForeignKey| catalogue.indexes.iter().any(|index| supports(index, key));
    let to_finding = |key: &ForeignKey| {
        let columns = names(key).join(", ");
        finding(
            subject(key),
            "an index that finds the referencing rows",
            format!(
                "none begins with ({columns}): deleting from {} reads all of {}",
                key.referenced_table, key.table
            ),
            format!(
                "find the statements that delete from {} or change its key; if there are to be any: CREATE INDEX ON {} \
                 ({columns});",
                key.referenced_table, key.table
            ),
        )
    };
    catalogue.foreign_keys.iter().filter(|key| !served(key)).map(to_finding).collect()
}

/// Returns true if `index` finds the rows that reference one row. The order of its leading columns does not matter,
/// because all of them are compared for equality. Its predicate may exclude rows that reference nothing.
pub(in crate::catalogue) fn supports(index: &Index, key: &ForeignKey) -> bool {
    let columns: BTreeSet<&str> = key.columns.iter().map(|column| column.name.as_str()).collect();
    let leading: BTreeSet<&str> =
        index.keys.iter().take(columns.len()).filter_map(|key| key.column.as_deref()).collect();
    let all_rows = index
        .predicate
        .as_deref()
        .is_none_or(|predicate| columns.iter().any(|column| predicate == format!("{column} IS NOT NULL")));
    let finds = matches!(index.method.as_str(), "btree" | "hash");
    index.table == key.table && index.is_valid && finds && all_rows && leading == columns
}

pub(super) fn of_another_type(catalogue: &Catalogue) -> Vec<Finding> {
    let to_finding = |key: &ForeignKey, column: &ForeignColumn| {
        finding(
            subject(key),
            "the type of the referenced column",
            format!(
                "{} is {}, {} is {}",
                column.name, column.data_type, column.referenced, column.referenced_type
            ),
            format!("ALTER TABLE {} ALTER {} TYPE {};", key.table, column.name, column.referenced_type),
        )
    };
    let differs = |column: &&ForeignColumn| column.data_type != column.referenced_type;
    let of = |key: &ForeignKey| -> Vec<Finding> {
        key.columns.iter().filter(differs).map(|column| to_finding(key, column)).collect()
    };
    catalogue.foreign_keys.iter().flat_map(of).collect()
}

pub(super) fn duplicate(catalogue: &Catalogue) -> Vec<Finding> {
    let to_finding = |(one, other): (&ForeignKey, &ForeignKey)| {
        let suggestion = format!("ALTER TABLE {} DROP CONSTRAINT {};", other.table, other.name);
        let found = format!("it does the same as {}", one.name);
        finding(subject(other), "one foreign key for the same columns", found, suggestion)
    };
    pairs(catalogue).filter(|(one, other)| pairing(one) == pairing(other)).map(to_finding).collect()
}

/// Finds columns that reference two tables, or one table in two ways.
pub(super) fn overlapping(catalogue: &Catalogue) -> Vec<Finding> {
    let shared = |one: &ForeignKey, other: &ForeignKey| {
        names(one).into_iter().find(|name| names(other).contains(name)).map(str::to_owned)
    };
    let to_finding = |(one, other): (&ForeignKey, &ForeignKey)| {
        let column = shared(one, other).filter(|_| pairing(one) != pairing(other))?;
        let found = format!("{column} is part of {} too", one.name);
        let suggestion = "see whether one of them follows from the other";
        Some(finding(subject(other), "foreign keys of different columns", found, suggestion))
    };
    pairs(catalogue).filter_map(to_finding).collect()
}

pub(super) fn partly_null(catalogue: &Catalogue) -> Vec<Finding> {
    let partial = |key: &&ForeignKey| {
        key.columns.len() > 1 && !key.is_match_full && key.columns.iter().any(|column| !column.not_null)
    };
    let to_finding = |key: &ForeignKey| {
        let nullable: Vec<&str> =
            key.columns.iter().filter(|column| !column.not_null).map(|column| column.name.as_str()).collect();
        let found = format!("{} may be null, and then nothing is checked", nullable.join(", "));
        let suggestion = format!("SET NOT NULL in {}, or make the key anew with MATCH FULL", key.table);
        finding(subject(key), "a key that is checked as a whole", found, suggestion)
    };
    catalogue.foreign_keys.iter().filter(partial).map(to_finding).collect()
}

pub(super) fn to_itself_without_delete_rule(catalogue: &Catalogue) -> Vec<Finding> {
    let silent = |key: &&ForeignKey| key.table == key.referenced_table && !key.has_delete_rule;
    let to_finding = |key: &ForeignKey| {
        let suggestion = "say ON DELETE RESTRICT, CASCADE or SET NULL";
        finding(subject(key), "an ON DELETE rule", "no ON DELETE", suggestion)
    };
    catalogue.foreign_keys.iter().filter(silent).map(to_finding).collect()
}

/// Returns each pair of foreign keys of one table once.
fn pairs(catalogue: &Catalogue) -> impl Iterator<Item = (&ForeignKey, &ForeignKey)> {
    let keys = &catalogue.foreign_keys;
    let after = move |n: usize| keys[n + 1..].iter().map(move |other| (&keys[n], other));
    (0..keys.len()).flat_map(after).filter(|(one, other)| one.table == other.table)
}

/// Returns the pairs of columns that are compared, in any order.
fn pairing(key: &ForeignKey) -> (&str, BTreeSet<(&str, &str)>) {
    let columns = key.columns.iter().map(|column| (column.name.as_str(), column.referenced.as_str()));
    (&key.referenced_table, columns.collect())
}

fn names(key: &ForeignKey) -> Vec<&str> {
    key.columns.iter().map(|column| column.name.as_str()).collect()
}

fn subject(key: &ForeignKey) -> String {
    format!("{}.{}", key.table, key.name)
}
