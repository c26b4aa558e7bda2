//! Near ties: a plan that another sample of the same data changes is a plan that production may not have.

use crate::verdict::Context;
use crate::{Finding, Judged, Rule, StatementOutcome};
use std::collections::BTreeSet;

/// What is wrong with a case that was judged once more after another ANALYZE: statements that take other indexes, a
/// number of statements that is another one, findings that were not there `before`.
pub fn unstable_plans(before: &Judged, after: &Judged) -> Vec<Finding> {
    let found = |statement: &str, expected: String, found: String| {
        let context = Context { contract: &before.contract, case: &before.case, statement };
        let suggestion = "rewrite the statement so that one plan is clearly best; if it cannot be written otherwise, add \
                          statistics that tell the two apart";
        let found = format!("with statistics of another sample: {found}");
        context.finding(Rule::UnstablePlan, expected, found, suggestion)
    };
    let pairs = before.statements.iter().zip(&after.statements);
    let changed = pairs.filter(|(was, is)| was.indexes() != is.indexes());
    let of_plan = |(was, is): (&StatementOutcome, &StatementOutcome)| {
        found(&was.sql, was.shape.clone(), is.shape.clone())
    };
    let (sent, again) = (before.statements.len(), after.statements.len());
    let of_number =
        (sent != again).then(|| found("", format!("{sent} statements"), format!("{again} statements")));
    let known: BTreeSet<_> = before.findings.iter().map(told_by).collect();
    let new = after.findings.iter().filter(|finding| !known.contains(&told_by(finding)));
    let of_finding =
        |finding: &Finding| found(&finding.statement, finding.expected.clone(), finding.found.clone());
    changed.map(of_plan).chain(of_number).chain(new.map(of_finding)).collect()
}

/// What a finding is told from others by: its figures differ with the sample.
fn told_by(finding: &Finding) -> (Rule, &str) {
    (finding.rule, &finding.statement)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Access, Contract, Via};

    fn by(index: &str) -> StatementOutcome {
        let access = Access { table: "books".to_owned(), via: Via::Index(index.to_owned()) };
        StatementOutcome {
            sql: "SELECT 1".to_owned(),
            shape: format!("Index Scan {index}"),
            accesses: vec![access],
            ..StatementOutcome::default()
        }
    }

    fn judged(statements: Vec<StatementOutcome>, rules: &[Rule]) -> Judged {
        let finding = |rule: &Rule| Finding {
            case: "common".to_owned(),
            statement: "SELECT 1".to_owned(),
            ..Finding::new(*rule, "books.find", "few rows", "many", "")
        };
        let findings = rules.iter().map(finding).collect();
        let contract = Contract::new("books.find");
        Judged { contract, case: "common".to_owned(), sent: 1, statements, findings, notes: Vec::new() }
    }

    fn said(before: &Judged, after: &Judged) -> Vec<(String, String)> {
        let ties =
            unstable_plans(before, after).into_iter().inspect(|tie| assert_eq!(tie.rule, Rule::UnstablePlan));
        ties.map(|tie| (tie.expected, tie.found)).collect()
    }

    #[test]
    fn a_sample_that_changes_nothing_is_no_tie() {
        let same = judged(vec![by("a"), by("b")], &[Rule::Wasteful]);
        assert_eq!(said(&same, &same), []);
        assert_eq!(said(&same, &judged(vec![by("a"), by("b")], &[])), [], "a finding that went is none");
    }

    #[test]
    fn another_index_in_another_sample_is_a_tie() {
        let found = said(&judged(vec![by("a"), by("b")], &[]), &judged(vec![by("a"), by("c")], &[]));
        let expected = ("Index Scan b", "with statistics of another sample: Index Scan c");
        assert_eq!(found, [(expected.0.to_owned(), expected.1.to_owned())]);
    }

    #[test]
    fn a_finding_that_another_sample_brings_is_a_tie_by_the_same_index_too() {
        let before = judged(vec![by("a")], &[Rule::Unserved]);
        let after = judged(vec![by("a")], &[Rule::Unserved, Rule::Wasteful]);
        let found = said(&before, &after);
        let expected = ("few rows", "with statistics of another sample: many");
        assert_eq!(found, [(expected.0.to_owned(), expected.1.to_owned())]);
    }

    #[test]
    fn another_number_of_statements_is_a_tie() {
        let found = said(&judged(vec![by("a"), by("b")], &[]), &judged(vec![by("a")], &[]));
        let expected = ("2 statements", "with statistics of another sample: 1 statements");
        assert_eq!(found, [(expected.0.to_owned(), expected.1.to_owned())]);
    }
}
