//! The verdict on one plan: how it reads each table, and which rules it breaks.

use crate::explain::{Explained, Join, Node};
use crate::facts::Facts;
use crate::work::{self, Work};
use crate::{Contract, Finding, Rule};
use serde::Serialize;
use std::fmt;

/// Rows that a scan may throw away for each row returned or changed, if nothing else is declared.
const REMOVED_PER_ROW: u64 = 10;

/// Rows that a scan may throw away in any case.
const REMOVED_FREE: u64 = 100;

/// Fraction of a table from which on a scan without a condition counts as reading the whole table.
const WHOLE_SHARE: f64 = 0.5;

/// Access path to the rows of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// Index scan.
    Index(String),
    /// Index-only scan.
    IndexOnly {
        /// The index.
        index: String,
        /// Number of rows that were looked up in the table nevertheless.
        heap_fetches: u64,
    },
    /// Bitmap scan of one or more indexes.
    Bitmap(Vec<String>),
    /// Index that detects conflicts of an INSERT.
    Arbiter(String),
    /// Sequential scan.
    Seq,
}

impl Via {
    /// Returns the indexes that are used.
    pub fn indexes(&self) -> &[String] {
        match self {
            Self::Index(index) | Self::IndexOnly { index, .. } | Self::Arbiter(index) => {
                std::slice::from_ref(index)
            }
            Self::Bitmap(indexes) => indexes,
            Self::Seq => &[],
        }
    }
}

/// A table that a statement reads, and the access path. Partitions and their indexes have the names of their parents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Access {
    /// Table.
    pub table: String,
    /// Access path.
    pub via: Via,
}

/// Operation, case and statement that a finding is about.
pub(crate) struct Context<'a> {
    pub(crate) contract: &'a Contract,
    pub(crate) case: &'a str,
    pub(crate) statement: &'a str,
}

impl Context<'_> {
    pub(crate) fn finding(
        &self,
        rule: Rule,
        expected: impl Into<String>,
        found: impl Into<String>,
        suggestion: impl Into<String>,
    ) -> Finding {
        let subject = self.contract.operation.clone();
        Finding {
            case: self.case.to_owned(),
            statement: self.statement.to_owned(),
            ..Finding::new(rule, subject, expected, found, suggestion)
        }
    }
}

/// Returns the access paths of the nodes that ran.
pub(crate) fn accesses(explained: &Explained, facts: &Facts) -> Vec<Access> {
    explained.nodes().filter(|node| node.ran()).flat_map(|node| of_node(node, facts)).collect()
}

fn of_node(node: &Node, facts: &Facts) -> Vec<Access> {
    let Some(relation) = &node.relation else { return Vec::new() };
    let index = |name: &String| facts.index(name).to_owned();
    let vias = match (&*node.kind, &node.index) {
        ("Index Scan", Some(name)) => vec![Via::Index(index(name))],
        ("Index Only Scan", Some(name)) => {
            vec![Via::IndexOnly { index: index(name), heap_fetches: node.heap_fetches }]
        }
        ("Bitmap Heap Scan", _) => vec![Via::Bitmap(bitmap_indexes(node).map(index).collect())],
        ("Seq Scan" | "Sample Scan", _) => vec![Via::Seq],
        ("ModifyTable", _) => {
            let arbiters = node.conflict.iter().flat_map(|conflict| &conflict.arbiters);
            arbiters.map(|name| Via::Arbiter(index(name))).collect()
        }
        _ => Vec::new(),
    };
    let table = facts.table(relation);
    vias.into_iter().map(|via| Access { table: table.to_owned(), via }).collect()
}

/// Returns the indexes of a bitmap, including those combined by AND and OR. Sub-plans are excluded, because they read
/// other tables.
fn bitmap_indexes(node: &Node) -> Box<dyn Iterator<Item = &String> + '_> {
    let below =
        node.children.iter().filter(|child| child.kind.starts_with("Bitmap") && child.join == Join::Input);
    let below = below.filter(|child| child.kind != "Bitmap Heap Scan").flat_map(bitmap_indexes);
    Box::new(node.index.iter().chain(below))
}

/// Returns the findings of a plan. If rows were written before (`after_writes`), the visibility map is incomplete and
/// heap fetches are not judged.
pub(crate) fn judge(
    context: &Context<'_>,
    explained: &Explained,
    facts: &Facts,
    after_writes: bool,
) -> Vec<Finding> {
    let nodes = || explained.nodes().filter(|node| node.ran());
    let mut findings: Vec<_> = nodes().filter_map(|node| unserved(context, node, facts)).collect();
    findings.extend(undeclared(context, explained, facts));
    if !after_writes {
        findings.extend(nodes().filter_map(|node| heap_fetches(context, node)));
    }
    let returned = Work::of(explained, facts).returned;
    findings.extend(nodes().filter_map(|node| removed(context, node, returned, facts)));
    // An unserved table or rows that are thrown away are the more exact finding.
    if !findings.iter().any(|finding| matches!(finding.rule, Rule::Unserved | Rule::Wasteful)) {
        findings.extend(work::unbounded(context, explained, facts));
    }
    findings.extend(spilled(context, explained));
    findings
}

fn unserved(context: &Context<'_>, node: &Node, facts: &Facts) -> Option<Finding> {
    let relation = node.relation.as_ref().filter(|relation| !facts.is_small(relation))?;
    if context.contract.reads_all() {
        return None;
    }
    let table = facts.table(relation);
    let read = node.rows() + node.filter.as_ref().map_or(0, |filter| filter.removed);
    if node.filter.is_none() && read <= context.contract.up_to() {
        return None;
    }
    match (&*node.kind, &node.index_condition, &node.filter) {
        ("Seq Scan" | "Sample Scan", _, filter) => {
            let condition = filter.as_ref().map_or("no condition", |filter| &filter.condition);
            Some(context.finding(
                Rule::Unserved,
                format!("{table} to be read by an index"),
                format!("Seq Scan on {table}, {condition}"),
                format!(
                    "let the condition of the statement name the leading columns of an index on {table}, without a \
                     function or a cast around them; if the statement is right, add an index for its condition, or \
                     declare `reads(All, reason)` if it needs the whole of {table}"
                ),
            ))
        }
        ("Index Scan" | "Index Only Scan", None, _) => {
            let index = facts.index(node.index.as_deref()?);
            (read as f64 >= WHOLE_SHARE * facts.rows(relation)?).then(|| {
                context.finding(
                    Rule::Unserved,
                    format!("a part of {table} to be looked up in {index}"),
                    format!(
                        "{} of {read} rows through the whole of {index}, without a condition on its keys",
                        node.kind
                    ),
                    format!(
                        "give the statement a condition on the leading columns of {index}; if it is meant to read \
                         the whole index, declare `reads(All, reason)`"
                    ),
                )
            })
        }
        _ => None,
    }
}

fn undeclared(context: &Context<'_>, explained: &Explained, facts: &Facts) -> Vec<Finding> {
    let declared = &context.contract.served_by;
    let accesses = accesses(explained, facts);
    let used =
        accesses.iter().flat_map(|access| access.via.indexes().iter().map(move |index| (access, index)));
    let mut others: Vec<_> = used.filter(|(_, index)| !declared.contains(index)).collect();
    others.dedup();
    let finding = |(access, index): (&Access, &String)| {
        let expected = match &declared[..] {
            [] => "no index".to_owned(),
            some => format!("only {}", some.join(", ")),
        };
        context.finding(
            Rule::Undeclared,
            expected,
            format!("{index} on {}", access.table),
            format!(
                "check why the statement does not use a declared index: has it lost a condition or its order? If the \
                 statement is right, name {index} in `served_by`"
            ),
        )
    };
    others.into_iter().map(finding).collect()
}

fn heap_fetches(context: &Context<'_>, node: &Node) -> Option<Finding> {
    (node.heap_fetches > 0).then(|| {
        context.finding(
            Rule::Wasteful,
            "an index-only scan that does not visit the table",
            format!("{} heap fetches for {} rows", node.heap_fetches, node.rows()),
            "run VACUUM after loading the data, and often enough in production",
        )
    })
}

fn removed(context: &Context<'_>, node: &Node, returned: u64, facts: &Facts) -> Option<Finding> {
    let relation = node.relation.as_ref().filter(|_| node.is_scan())?;
    if context.contract.reads_all() || facts.is_small(relation) || node.kind == "Seq Scan" {
        return None;
    }
    let filtered = node.filter.as_ref().map_or(0, |filter| filter.removed);
    let removed = filtered + node.removed_by_recheck;
    let per_row = context.contract.per_row().unwrap_or(REMOVED_PER_ROW);
    let bound = REMOVED_FREE + context.contract.up_to() + per_row * returned;
    let condition = node.filter.as_ref().map_or("the recheck", |filter| &filter.condition);
    (removed > bound).then(|| {
        context.finding(
            Rule::Wasteful,
            format!("at most {bound} rows of {} to be read and thrown away", relation.name),
            format!("{removed} thrown away by {condition} for {returned} returned or changed"),
            "let the statement select by what the index looks up; if the statement is right, add the condition to the \
             index, or declare `reads(PerMatch(limit), reason)`",
        )
    })
}

fn spilled(context: &Context<'_>, explained: &Explained) -> Option<Finding> {
    let spill = explained.nodes().find_map(|node| node.spill.as_ref().map(|spill| (node, spill)));
    let found = match spill {
        Some((node, spill)) => format!("{} on disk: {}, {} kB", node.kind, spill.method, spill.kilobytes),
        None if explained.plan.temporary_written > 0 => {
            format!("{} pages of temporary files", explained.plan.temporary_written)
        }
        None => return None,
    };
    let suggestion = "let the statement sort fewer rows or columns; if it is meant to sort all of them, add an index that \
                      has this order";
    Some(context.finding(Rule::Wasteful, "a sort or hash that fits into memory", found, suggestion))
}

/// Renders the plan on one line: each node with its index or table, and its children in parentheses.
pub(crate) fn shape(node: &Node, facts: &Facts) -> String {
    let target = match (&node.index, &node.relation) {
        (Some(index), _) => Some(facts.index(index)),
        (None, Some(relation)) if node.kind != "Bitmap Heap Scan" => Some(facts.table(relation)),
        _ => None,
    };
    let name = target.map_or_else(|| node.kind.clone(), |target| format!("{} {target}", node.kind));
    let below: Vec<_> = node.children.iter().map(|child| shape(child, facts)).collect();
    if below.is_empty() { name } else { format!("{name} ({})", below.join(", ")) }
}

/// Returns the ratio of estimated to actual rows, or its inverse, at the worst node; 1 is exact. Nodes below a LIMIT
/// are excluded, because they end early.
pub(crate) fn q_error(node: &Node) -> f64 {
    if node.kind == "Limit" || !node.ran() {
        return 1.0;
    }
    let (planned, actual) = (node.planned_rows.max(1.0), node.actual_rows.max(1.0));
    let own = if node.kind == "ModifyTable" { 1.0 } else { (planned / actual).max(actual / planned) };
    node.children.iter().map(q_error).fold(own, f64::max)
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.via {
            Via::Index(index) => write!(f, "{} by {index}", self.table),
            Via::IndexOnly { index, .. } => write!(f, "{} by {index} alone", self.table),
            Via::Bitmap(indexes) => write!(f, "{} by a bitmap of {}", self.table, indexes.join(" and ")),
            Via::Arbiter(index) => write!(f, "{} by {index} for conflicts", self.table),
            Via::Seq => write!(f, "{} by reading all of it", self.table),
        }
    }
}
