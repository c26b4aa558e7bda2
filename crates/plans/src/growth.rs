//! Growth: what a statement reads at one size of the data, held against what it reads at ten times that.

use crate::verdict::Place;
use crate::{Contract, Finding, Judged, Reads, Rule, StatementOutcome};
use serde::Serialize;

/// How much larger the larger size is.
const LARGER_BY: u64 = 10;

/// The two figures of one statement, and how much it may read at the larger size.
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
    /// Pages at the larger one.
    pub large: u64,
    /// Rows that its scans found at the smaller size.
    pub matched_small: u64,
    /// Rows that its scans found at the larger one.
    pub matched_large: u64,
    /// The most pages that the larger size may cost; `None` where the operation declares to read everything.
    pub bound: Option<u64>,
}

/// The growth of each statement between the same case judged at one size and at a larger one, and what is wrong.
///
/// At the larger size a statement may touch 1.5 times the pages and 8 more, and 2 for each row that its scans find in
/// addition. An operation that declares [`Reads::PerMatch`](crate::Reads::PerMatch) may touch so many pages a row found,
/// and 8; one that declares [`Reads::Lists`](crate::Reads::Lists) ten times the pages and 8, as many as the larger size is
/// of the smaller one; one that declares [`Reads::All`](crate::Reads::All) is not bounded.
pub fn growth(small: &Judged, large: &Judged) -> (Vec<Growth>, Vec<Finding>) {
    let (mut grown, mut findings) = (Vec::new(), Vec::new());
    if small.statements.len() != large.statements.len() {
        findings.push(other_count(small, large));
    }
    for (before, after) in small.statements.iter().zip(&large.statements) {
        let growth = Growth {
            operation: large.contract.operation.clone(),
            case: large.case.clone(),
            statement: after.sql.clone(),
            small: before.buffers,
            large: after.buffers,
            matched_small: before.matched,
            matched_large: after.matched,
            bound: bound(&large.contract, before, after),
        };
        findings.extend(growth.finding(&large.contract));
        grown.push(growth);
    }
    (grown, findings)
}

fn bound(contract: &Contract, small: &StatementOutcome, large: &StatementOutcome) -> Option<u64> {
    if contract.reads_all() {
        return None;
    }
    let extra = large.matched.saturating_sub(small.matched);
    let general = small.buffers + small.buffers / 2 + 8 + 2 * extra;
    let declared = match contract.reads {
        Some((Reads::PerMatch(limit), _)) => u64::from(limit) * large.matched + 8,
        Some((Reads::Lists, _)) => LARGER_BY * small.buffers + 8,
        Some((Reads::All, _)) | None => 0,
    };
    Some(general.max(declared))
}

fn other_count(small: &Judged, large: &Judged) -> Finding {
    let place = Place { contract: &large.contract, case: &large.case, statement: "" };
    let expected = format!("{} statements, as with less data", small.statements.len());
    let suggestion = "find the statement that is sent once for each row, and fetch its rows by one statement";
    place.finding(Rule::Budget, expected, format!("{}", large.statements.len()), suggestion)
}

impl Growth {
    fn finding(&self, contract: &Contract) -> Option<Finding> {
        let Self { small, large, matched_small, matched_large, .. } = self;
        let bound = self.bound.filter(|bound| large > bound)?;
        let place = Place { contract, case: &self.case, statement: &self.statement };
        Some(place.finding(
            Rule::Growth,
            format!("at most {bound} pages at the larger size"),
            format!("{large} pages for {matched_large} rows found, after {small} for {matched_small}"),
            "bound what the statement reads: a LIMIT, a condition that an index looks up, or an order that an index \
             has; if its work is meant to grow, declare by how much: `reads(..., reason)`",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(contract: &Contract, figures: &[(u64, u64)]) -> Judged {
        let statements = figures.iter().map(|(buffers, matched)| StatementOutcome {
            sql: "SELECT 1".to_owned(),
            buffers: *buffers,
            matched: *matched,
            ..StatementOutcome::default()
        });
        Judged {
            contract: contract.clone(),
            case: "common".to_owned(),
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
    fn pages_may_grow_with_the_depth_of_an_index_and_with_the_rows_found_but_not_with_the_table() {
        let contract = Contract::new("books.find");
        assert_eq!(found(&contract, (4, 1), (14, 1)), []);
        assert_eq!(found(&contract, (4, 1), (15, 1)), [Rule::Growth]);
        assert_eq!(found(&contract, (4, 1), (32, 10)), []);
        assert_eq!(found(&contract, (4, 1), (33, 10)), [Rule::Growth]);
    }

    #[test]
    fn declared_reads_widen_the_bound() {
        let per_match = Contract::new("books.count").reads(Reads::PerMatch(5), "counted exactly");
        assert_eq!(found(&per_match, (10, 1), (508, 100)), []);
        assert_eq!(found(&per_match, (10, 1), (509, 100)), [Rule::Growth]);
        let lists = Contract::new("books.words").reads(Reads::Lists, "lists of words");
        assert_eq!(found(&lists, (10, 0), (108, 0)), []);
        assert_eq!(found(&lists, (10, 0), (109, 0)), [Rule::Growth]);
        let all = Contract::new("books.export").reads(Reads::All, "exports everything");
        assert_eq!(found(&all, (10, 1), (5_000, 1)), []);
    }

    #[test]
    fn a_number_of_statements_that_grows_is_found() {
        let contract = Contract::new("books.find");
        let (_, findings) = growth(&judged(&contract, &[(1, 1)]), &judged(&contract, &[(1, 1), (1, 1)]));
        assert_eq!(findings[0].rule, Rule::Budget);
    }
}
