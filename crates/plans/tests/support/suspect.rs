//! A property of all suggestions.

/// Asserts that `advice` names the statement before it suggests to change an index or a bound.
pub(crate) fn assert_suspects_statement(advice: &str) {
    let lower = advice.to_lowercase();
    let changes = [
        "add an index",
        "create index",
        "create the index",
        "drop index",
        "drop the index",
        "drop it",
        "served_by",
        "supports_fk",
        "to the index",
        "reads(",
        "raise",
        "work_mem",
    ];
    let change = changes.iter().filter_map(|change| lower.find(change)).min();
    let statement = lower.find("statement").unwrap_or(usize::MAX);
    assert!(change.is_none_or(|change| statement < change), "{advice}");
}
