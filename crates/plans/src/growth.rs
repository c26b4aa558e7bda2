//! Growth: compares the work of a statement at one size of the data with that at ten times the size.

use crate::verdict::Context;
use crate::{Contract, Finding, Judged, Reads, Rule, StatementOutcome, Work};
use serde::Serialize;

/// Factor between the two sizes.
const LARGER_BY: u64 = 10;

/// Pages that a statement may read at any size.
const FREE_PAGES: u64 = 8;

/// Pages that looking up one row in one table may cost: the levels of an index and the row.
const PAGES_PER_ROW: u64 = 4;

/// Rows that a statement may handle at any size.
const FREE_ROWS: u64 = 1_000;

/// Figures of one statement at both sizes, and its bounds at the larger size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Growth {
    /// The operation.
    pub operation: String,
    /// The case.
    pub case: String,
    /// The statement, on one line.
    pub statement: String,
    /// Pages at the smaller size.
    pub small: u64,
    /// Pages at the larger size.
    pub large: u64,
    /// Work at the smaller size.
    pub work_small: Work,
    /// Work at the larger size.
    pub work_large: Work,
    /// Maximum number of pages at the larger size.
    pub bound: u64,
    /// Maximum number of rows handled at the larger size; `None` if only the rules of one size bound them.
    pub bound_of_rows: Option<u64>,
}

/// Compares each statement of a case at one size with the same statement at ten times the size. Returns the figures and
/// the findings.
///
/// At the larger size a statement may read the larger of:
///
/// - 8 pages, and 4 in each of its tables for each row that it returns or changes: the cost of looking them up;
/// - 1.5 times the pages of the smaller size, 8 more, and 4 in each of its tables for each additional row that it
///   returns or changes.
///
/// Rows that it only scans do not count. Declarations extend the bound: [`Reads::PerMatch`](crate::Reads::PerMatch) to
/// so many pages for each row returned, [`Reads::UpTo`](crate::Reads::UpTo) to 4 pages for each row scanned within its
/// limit, [`Reads::PostingLists`](crate::Reads::PostingLists) and [`Reads::All`](crate::Reads::All) to 15 times the pages. With the
/// last two, the rows that the plan handles may grow by the same factor, i.e. no faster than the data.
pub fn growth(small: &Judged, large: &Judged) -> (Vec<Growth>, Vec<Finding>) {
    let (mut grown, mut findings) = (Vec::new(), Vec::new());
    if small.statements.len() != large.statements.len() {
        findings.push(other_count(small, large));
    }
    for (before, after) in small.statements.iter().zip(&large.statements) {
        let contract = &large.contract;
        let growth = Growth {
            operation: contract.operation.clone(),
            case: large.case.clone(),
            statement: after.sql.clone(),
            small: before.buffers,
            large: after.buffers,
            work_small: before.work,
            work_large: after.work,
            bound: pages_allowed(contract, before, after),
            bound_of_rows: rows_allowed(contract, &before.work, &after.work),
        };
        findings.extend(growth.finding(contract));
        grown.push(growth);
    }
    (grown, findings)
}

/// Returns true if a statement reads more pages at the larger size than the additional rows explain. It then needs a
/// declaration even if all of its rows together would justify the pages, because other data may return fewer.
pub(crate) fn has_grown(small: &Judged, large: &Judged) -> bool {
    small.statements.iter().zip(&large.statements).any(|(before, after)| after.buffers > grown(before, after))
}

/// Returns the pages that the smaller size and the additional rows explain.
fn grown(small: &StatementOutcome, large: &StatementOutcome) -> u64 {
    let returned = large.work.returned.saturating_sub(small.work.returned);
    in_half_more(small.buffers) + FREE_PAGES + PAGES_PER_ROW * tables(large) * returned
}

fn tables(statement: &StatementOutcome) -> u64 {
    statement.accesses.len().max(1) as u64
}

fn pages_allowed(contract: &Contract, small: &StatementOutcome, large: &StatementOutcome) -> u64 {
    let looked_up = FREE_PAGES + PAGES_PER_ROW * tables(large) * large.work.returned;
    let general = grown(small, large).max(looked_up);
    let proportional = in_half_more(LARGER_BY * small.buffers) + FREE_PAGES;
    let declared = match contract.reads {
        _ if contract.grows_with_tables(large.work.uses_inverted_index) => proportional,
        Some((Reads::PerMatch(limit), _)) => u64::from(limit) * large.work.returned + FREE_PAGES,
        Some((Reads::UpTo(rows), _)) => PAGES_PER_ROW * large.work.scanned.min(rows.into()) + FREE_PAGES,
        Some((Reads::All | Reads::PostingLists, _)) | None => 0,
    };
    general.max(declared)
}

fn rows_allowed(contract: &Contract, small: &Work, large: &Work) -> Option<u64> {
    let is_proportional = contract.grows_with_tables(large.uses_inverted_index);
    is_proportional.then(|| in_half_more(LARGER_BY * small.handled) + FREE_ROWS)
}

fn in_half_more(number: u64) -> u64 {
    number + number / 2
}

fn other_count(small: &Judged, large: &Judged) -> Finding {
    let context = Context { contract: &large.contract, case: &large.case, statement: "" };
    let expected = format!("{} statements, as with less data", small.statements.len());
    let suggestion =
        "find the statement that is sent once for each row, and fetch its rows with one statement";
    context.finding(Rule::Budget, expected, format!("{}", large.statements.len()), suggestion)
}

impl Growth {
    fn finding(&self, contract: &Contract) -> Option<Finding> {
        let Self { small, large, work_small, work_large, bound, bound_of_rows, .. } = self;
        let context = Context { contract, case: &self.case, statement: &self.statement };
        if large > bound {
            return Some(context.finding(
                Rule::Growth,
                format!("at most {bound} pages at the larger size"),
                format!(
                    "{large} pages for {} rows returned or changed, after {small} for {}",
                    work_large.returned, work_small.returned
                ),
                "bound what the statement reads by a LIMIT, a condition that an index looks up, or the order of an index; \
                 if its work is meant to grow, declare by how much: `reads(..., reason)`",
            ));
        }
        let bound = bound_of_rows.filter(|bound| work_large.handled > *bound)?;
        Some(context.finding(
            Rule::Growth,
            format!("at most {bound} rows to be handled at the larger size"),
            format!("{} rows handled, after {}", work_large.handled, work_small.handled),
            "join by an equality, because this join compares all rows of both sides",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(contract: &Contract, figures: &[(u64, u64)]) -> Judged {
        let statements = figures.iter().map(|(buffers, returned)| StatementOutcome {
            sql: "SELECT 1".to_owned(),
            buffers: *buffers,
            work: Work { returned: *returned, uses_inverted_index: true, ..Work::default() },
            ..StatementOutcome::default()
        });
        Judged {
            contract: contract.clone(),
            case: "common".to_owned(),
            sent: 1,
            statements: statements.collect(),
            findings: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn found(contract: &Contract, small: (u64, u64), large: (u64, u64)) -> Vec<Rule> {
        let (_, findings) = growth(&judged(contract, &[small]), &judged(contract, &[large]));
        findings.into_iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn pages_grow_with_index_depth_and_returned_rows_only() {
        let contract = Contract::new("books.find");
        assert_eq!(found(&contract, (4, 1), (14, 1)), []);
        assert_eq!(found(&contract, (4, 1), (15, 1)), [Rule::Growth]);
        assert_eq!(found(&contract, (4, 1), (50, 10)), []);
        assert_eq!(found(&contract, (4, 1), (51, 10)), [Rule::Growth]);
    }

    #[test]
    fn scanned_rows_justify_pages_only_below_declared_bound() {
        let contract = Contract::new("books.count");
        let scanning = |scanned: u64, buffers: u64| {
            let work = Work { returned: 1, scanned, ..Work::default() };
            let mut judged = judged(&contract, &[(buffers, 1)]);
            judged.statements[0].work = work;
            judged
        };
        let (_, findings) = growth(&scanning(10, 4), &scanning(100, 15));
        assert_eq!(findings.len(), 1);
        let declared = contract.clone().reads(Reads::UpTo(50), "counted up to 50");
        let bounded = |pages: u64| {
            let large = Judged { contract: declared.clone(), ..scanning(100, pages) };
            growth(&scanning(10, 4), &large).1.len()
        };
        assert_eq!((bounded(8 + 4 * 50), bounded(9 + 4 * 50)), (0, 1));
    }

    #[test]
    fn declared_reads_widen_the_bound() {
        let per_row = Contract::new("books.count").reads(Reads::PerMatch(5), "counted exactly");
        assert_eq!(found(&per_row, (10, 1), (508, 100)), []);
        assert_eq!(found(&per_row, (10, 1), (509, 100)), [Rule::Growth]);
        for reads in [Reads::PostingLists, Reads::All] {
            let proportional = Contract::new("books.words").reads(reads, "lists of words");
            assert_eq!(found(&proportional, (10, 0), (158, 0)), []);
            assert_eq!(found(&proportional, (10, 0), (159, 0)), [Rule::Growth]);
        }
    }

    #[test]
    fn handled_rows_grow_in_proportion_to_data() {
        let contract = Contract::new("books.export").reads(Reads::All, "exports everything");
        let handling = |handled: u64| {
            let mut judged = judged(&contract, &[(10, 1)]);
            judged.statements[0].work.handled = handled;
            judged
        };
        let found = |large: u64| growth(&handling(100), &handling(large)).1.len();
        assert_eq!((found(2_500), found(2_501)), (0, 1));
    }

    #[test]
    fn finds_growing_number_of_statements() {
        let contract = Contract::new("books.find");
        let (_, findings) = growth(&judged(&contract, &[(1, 1)]), &judged(&contract, &[(1, 1), (1, 1)]));
        assert_eq!(findings[0].rule, Rule::Budget);
    }
}
