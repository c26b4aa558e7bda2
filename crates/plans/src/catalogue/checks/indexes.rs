//! Checks for indexes that cost every write and serve no read that another index does not.

use super::finding;
use crate::Finding;
use crate::catalogue::{Catalogue, ConstraintKind, Index, Key};

/// Fraction of NULLs above which an index is mostly NULL.
const MOSTLY: f32 = 0.5;

pub(super) fn invalid(catalogue: &Catalogue) -> Vec<Finding> {
    let broken = catalogue.indexes.iter().filter(|index| !index.is_valid);
    let to_finding = |index: &Index| {
        let suggestion = format!("REINDEX INDEX CONCURRENTLY {};", index.sql_name);
        finding(&index.sql_name, "a valid index", "an index that is maintained and never read", suggestion)
    };
    broken.map(to_finding).collect()
}

pub(super) fn duplicate(catalogue: &Catalogue) -> Vec<Finding> {
    let same = |a: &Index, b: &Index| {
        comparable(a, b) && a.keys == b.keys && a.included == b.included && worth(a) <= worth(b)
    };
    superfluous(catalogue, "one index on the same keys", "does the same as", same)
}

pub(super) fn redundant(catalogue: &Catalogue) -> Vec<Finding> {
    let begins = |a: &Index, b: &Index| {
        let carried =
            |column: &String| b.included.contains(column) || b.key_columns().any(|key| key == column);
        comparable(a, b)
            && a.method == "btree"
            && !a.is_unique
            && (a.keys != b.keys || a.included != b.included)
            && leads(&a.keys, &b.keys)
            && a.included.iter().all(carried)
    };
    superfluous(catalogue, "no index that is a prefix of another one", "is a prefix of", begins)
}

/// Returns findings for the indexes that `covers` says are covered by another one. Of two that cover each other, the
/// one with the later name is reported.
fn superfluous(
    catalogue: &Catalogue,
    expected: &str,
    relation: &str,
    covers: impl Fn(&Index, &Index) -> bool,
) -> Vec<Finding> {
    let goes = |a: &Index, b: &Index| covers(a, b) && !(covers(b, a) && a.sql_name < b.sql_name);
    let needless = |index: &&Index| index.constraint.is_none() || index.is_unique;
    let candidates = catalogue.whole_indexes().filter(needless);
    let found = candidates.filter_map(|index| {
        let other =
            catalogue.whole_indexes().find(|other| other.sql_name != index.sql_name && goes(index, other))?;
        let sql = match &index.constraint {
            Some(constraint) => format!("ALTER TABLE {} DROP CONSTRAINT {};", index.table, constraint.name),
            None => format!("DROP INDEX {};", index.sql_name),
        };
        let suggestion = format!(
            "find the statement that it was created for; if {} serves that statement: {sql}",
            other.sql_name
        );
        Some(finding(&index.sql_name, expected, format!("it {relation} {}", other.sql_name), suggestion))
    });
    found.collect()
}

fn comparable(a: &Index, b: &Index) -> bool {
    let same_rows = a.table == b.table && a.predicate == b.predicate;
    same_rows && a.method == b.method && b.is_valid && (b.nulls_not_distinct || !a.nulls_not_distinct)
}

/// Ranks what an index enforces. Of two duplicates, the one that enforces less is reported.
fn worth(index: &Index) -> (bool, bool, bool) {
    let constraint = index.constraint.as_ref();
    let is_primary_key = constraint.is_some_and(|constraint| constraint.kind == ConstraintKind::PrimaryKey);
    (is_primary_key, constraint.is_some(), index.is_unique)
}

/// Returns true if `long`, scanned forwards or backwards, begins with `short`.
fn leads(short: &[Key], long: &[Key]) -> bool {
    let backwards =
        |key: &Key| Key { is_descending: !key.is_descending, nulls_first: !key.nulls_first, ..key.clone() };
    short.len() <= long.len()
        && (long.starts_with(short) || short.iter().zip(long).all(|(a, b)| backwards(a) == *b))
}

pub(super) fn over_arrays(catalogue: &Catalogue) -> Vec<Finding> {
    let trees =
        catalogue.whole_indexes().filter(|index| index.method == "btree" && index.constraint.is_none());
    let to_finding = |index: &Index| {
        let key = index.keys.iter().find(|key| key.data_type.ends_with("[]"))?;
        let found = format!("btree on {}, which finds only whole arrays", key.sql);
        let suggestion = format!(
            "find the statement that it was created for; if that searches for elements: DROP INDEX {}; CREATE INDEX … USING gin \
             ({});",
            index.sql_name, key.sql
        );
        Some(finding(&index.sql_name, "gin for the elements of an array", found, suggestion))
    };
    trees.filter_map(to_finding).collect()
}

/// Indexes of constraints are excluded, because they cannot be partial.
pub(super) fn mostly_null(catalogue: &Catalogue) -> Vec<Finding> {
    let full =
        catalogue.whole_indexes().filter(|index| index.predicate.is_none() && index.constraint.is_none());
    let to_finding = |index: &Index| {
        let column = catalogue.column(&index.table, index.keys.first()?.column.as_deref()?)?;
        let share = column.null_fraction.filter(|share| *share > MOSTLY)?;
        let found = format!("{:.0} % of {} are NULL, and indexed", share * 100.0, column.name);
        let suggestion = format!(
            "find the statement that it was created for; if that never searches for NULL: DROP INDEX {}; {} WHERE {} IS NOT NULL;",
            index.sql_name, index.definition, column.name
        );
        Some(finding(&index.sql_name, "an index of the rows that have a value", found, suggestion))
    };
    full.filter_map(to_finding).collect()
}

pub(super) fn needless_not_null(catalogue: &Catalogue) -> Vec<Finding> {
    let to_finding = |index: &Index| {
        let predicate = index.predicate.as_deref()?;
        let table = catalogue.table(&index.table)?;
        let never_null = table.columns.iter().filter(|column| column.not_null);
        let column = never_null.map(|column| &column.name).find(|name| tests_null_of(predicate, name))?;
        let found = format!("WHERE {predicate}, although {column} is NOT NULL");
        let suggestion =
            format!("remove the condition from the statements that repeat it, then from {}", index.sql_name);
        Some(finding(&index.sql_name, "a predicate that excludes rows", found, suggestion))
    };
    catalogue.whole_indexes().filter_map(to_finding).collect()
}

/// Returns true if `predicate`, as the server prints it, tests `column`, and not a column whose name ends the same way.
fn tests_null_of(predicate: &str, column: &str) -> bool {
    let test = format!("{column} IS NOT NULL");
    let starts_word =
        |at: usize| !predicate[..at].ends_with(|c: char| c.is_alphanumeric() || "_$.\"".contains(c));
    let is_alternative = predicate.contains(" OR ") || predicate.contains("CASE ");
    !is_alternative && predicate.match_indices(&test).any(|(at, _)| starts_word(at))
}

pub(super) fn timestamp_before_the_last_key(catalogue: &Catalogue) -> Vec<Finding> {
    let trees = catalogue.whole_indexes().filter(|index| index.method == "btree");
    let to_finding = |index: &Index| {
        let before_last = index.keys.len().checked_sub(1)?;
        let key = index.keys[..before_last].iter().find(|key| key.data_type.starts_with("timestamp"))?;
        let found = format!("{} comes before other keys", key.sql);
        let suggestion =
            "keep it if statements order by it or compare it for equality; otherwise make it the last key";
        Some(finding(
            &index.sql_name,
            "a timestamp, which is mostly searched by range, as the last key",
            found,
            suggestion,
        ))
    };
    trees.filter_map(to_finding).collect()
}

/// Finds indexes that begin with a boolean. Unique indexes are excluded, because they enforce something, e.g. one
/// current row.
pub(super) fn leading_boolean(catalogue: &Catalogue) -> Vec<Finding> {
    let trees = catalogue.whole_indexes().filter(|index| index.method == "btree" && !index.is_unique);
    let to_finding = |index: &Index| {
        let key = index.keys.first().filter(|key| key.data_type == "boolean")?;
        let suggestion =
            format!("if statements search for one of the two values, an index WHERE {} is smaller", key.sql);
        Some(finding(
            &index.sql_name,
            "a boolean in the predicate",
            format!("{} leads the keys", key.sql),
            suggestion,
        ))
    };
    trees.filter_map(to_finding).collect()
}
