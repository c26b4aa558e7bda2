//! Work: the rows that a statement handles for those that it returns or changes.

use crate::explain::{Explained, Join, Node};
use crate::facts::Facts;
use crate::replay::Ran;
use crate::verdict::Context;
use crate::{Contract, Finding, Rule};
use serde::Serialize;

/// Rows that every statement may handle.
const FREE: u64 = 200;

/// Rows that a statement may handle for each row returned or changed.
const PER_ROW: u64 = 10;

/// Rows that a statement handled, by its plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Work {
    /// Rows returned or changed.
    pub returned: u64,
    /// Rows and index entries that scans read, including discarded ones, and at least one for each loop of a scan. The
    /// first scan of a table of at most eight pages is free.
    pub scanned: u64,
    /// Pairs of rows that the largest join compared, including discarded ones.
    pub joined: u64,
    /// Rows that OFFSET skipped.
    pub skipped: u64,
    /// Rows that all nodes handled.
    pub handled: u64,
    /// True if the plan uses an inverted index (GIN), whose posting lists grow with the table.
    pub uses_inverted_index: bool,
}

impl Work {
    pub(crate) fn of(explained: &Explained, facts: &Facts) -> Self {
        let nodes = || explained.nodes().filter(|node| node.ran());
        let changed: u64 = nodes().filter(|node| node.kind == "ModifyTable").map(Node::affected).sum();
        Self {
            returned: explained.rows().max(changed),
            scanned: nodes().map(|node| scanned(node, facts)).sum(),
            joined: nodes().map(joined).max().unwrap_or_default(),
            skipped: nodes().map(skipped).sum(),
            handled: nodes().map(|node| node.rows() + removed(node) + node.removed_by_join).sum(),
            uses_inverted_index: nodes()
                .filter_map(|node| node.index.as_ref())
                .any(|index| facts.is_inverted(index)),
        }
    }

    /// Returns the number of rows that `contract` allows; `None` if it may grow with the tables.
    pub(crate) fn allowed(&self, contract: &Contract) -> Option<u64> {
        let per_row = contract.per_row().unwrap_or(PER_ROW).max(PER_ROW);
        (!contract.grows_with_tables(self.uses_inverted_index))
            .then(|| FREE + contract.up_to() + per_row * self.returned)
    }

    /// Returns true if no kind of work exceeds `allowed` rows.
    pub(crate) fn is_within(&self, allowed: u64) -> bool {
        self.scanned.max(self.joined).max(self.skipped) <= allowed
    }
}

/// Returns a finding if the statement handles more rows than those that it returns or changes justify.
pub(crate) fn unbounded(context: &Context<'_>, explained: &Explained, facts: &Facts) -> Option<Finding> {
    let work = Work::of(explained, facts);
    let allowed = work.allowed(context.contract).filter(|allowed| !work.is_within(*allowed))?;
    let (found, suggestion) = cause(&work, allowed, explained, facts);
    let expected = format!("at most {allowed} rows to be handled for {} returned or changed", work.returned);
    Some(context.finding(Rule::Unbounded, expected, found, suggestion))
}

/// Returns a finding if foreign keys and triggers write many more rows than the statement changes itself.
pub(crate) fn cascading(context: &Context<'_>, ran: &Ran<'_>, facts: &Facts) -> Option<Finding> {
    let work = Work::of(&ran.explained, facts);
    let written: u64 = ran.touched.iter().map(|touched| touched.rows_written).sum();
    let allowed = work.allowed(context.contract).filter(|allowed| written > *allowed)?;
    let returned = work.returned;
    Some(context.finding(
        Rule::Unbounded,
        format!("at most {allowed} rows to be written for {returned} returned or changed"),
        format!("{written} rows are written, most of them by foreign keys or triggers"),
        "let the operation first remove the referencing rows in batches of bounded size, or mark the row as deleted instead of \
         deleting it",
    ))
}

/// Returns what makes the work unbounded, by the nodes that handle most of the rows, and what to do about it.
fn cause(work: &Work, allowed: u64, explained: &Explained, facts: &Facts) -> (String, &'static str) {
    let returned = work.returned;
    let nodes = || explained.nodes().filter(|node| node.ran());
    if work.skipped > allowed {
        let found = format!("OFFSET skips {} rows for {returned}", work.skipped);
        return (
            found,
            "let the statement continue after the last row of the previous page, by a condition on the columns of its order",
        );
    }
    if let Some(join) = nodes().find(|node| joined(node) == work.joined && work.joined > allowed) {
        let found = format!("{} compares {} pairs of rows for {returned}", join.kind, work.joined);
        return (found, "let the statement join by an equality that an index or a hash can look up");
    }
    let is_much = |rows: u64| rows > allowed && rows >= work.scanned / 2;
    let repeated =
        nodes().find(|node| node.loops > 1 && is_much(scanned(node, facts)) && !is_looked_up(node));
    if let Some((scan, relation)) = repeated.and_then(|scan| Some((scan, scan.relation.as_ref()?))) {
        let found = format!("{} on {} runs {} times", scan.kind, facts.table(relation), scan.loops);
        return (found, "let the statement read the table once and join it, or look its rows up by an index");
    }
    if let Some(sort) = nodes().find(|node| is_much(input(node)) && node.sort_key.is_some()) {
        let key = sort.sort_key.as_deref().unwrap_or_default();
        let found = format!("{} rows are sorted by {key} for {returned}", input(sort));
        return (
            found,
            "let the statement order by the next columns of the index that serves its condition; if this order is needed, add an \
             index that has it after the columns of the condition",
        );
    }
    if let Some(group) = nodes().find(|node| node.kind == "Aggregate" && is_much(input(node))) {
        let found = format!("{} rows are aggregated into {}", input(group), group.rows());
        return (
            found,
            "let the statement count up to a limit (`FROM (SELECT ... LIMIT n)`), or maintain the count in a column",
        );
    }
    let found = format!("{} rows are read for {returned}", work.scanned);
    (found, "give the statement a condition that an index can look up, and a limit")
}

fn is_looked_up(node: &Node) -> bool {
    node.index_condition.is_some()
}

fn input(node: &Node) -> u64 {
    node.children.iter().filter(|child| child.join == Join::Input).map(Node::rows).sum()
}

fn removed(node: &Node) -> u64 {
    node.filter.as_ref().map_or(0, |filter| filter.removed) + node.removed_by_recheck
}

/// Returns the pairs of rows that a join compared, including discarded ones.
fn joined(node: &Node) -> u64 {
    let is_join = node.kind == "Nested Loop" || node.kind.ends_with(" Join");
    if is_join { node.rows() + removed(node) + node.removed_by_join } else { 0 }
}

fn scanned(node: &Node, facts: &Facts) -> u64 {
    let Some(relation) = node.relation.as_ref().filter(|_| node.is_scan()) else { return 0 };
    let entries: u64 = if node.kind == "Bitmap Heap Scan" { bitmap_entries(node) } else { 0 };
    let rows = (node.rows() + removed(node)).max(entries).max(node.loops);
    if facts.is_small(relation) { rows - rows / node.loops.max(1) } else { rows }
}

/// Returns the entries of a bitmap, including those that an AND discarded.
fn bitmap_entries(node: &Node) -> u64 {
    let below = node.children.iter().filter(|child| child.join == Join::Input);
    below
        .map(|child| if child.kind == "Bitmap Index Scan" { child.rows() } else { bitmap_entries(child) })
        .sum()
}

/// Returns the rows that an OFFSET skipped.
fn skipped(node: &Node) -> u64 {
    if node.kind == "Limit" { input(node).saturating_sub(node.rows()) } else { 0 }
}
