//! Unstable plans: a plan that changes with the sample of the statistics may differ in production.

use crate::verdict::Context;
use crate::{Finding, Judged, Rule, StatementOutcome};
use std::collections::BTreeSet;

/// Returns the differences between two verdicts on a case, before and after another ANALYZE: other indexes, another
/// number of statements, and new findings.
pub fn unstable_plans(before: &Judged, after: &Judged) -> Vec<Finding> {
    let found = |statement: &str, expected: String, found: String| {
        let context = Context { contract: &before.contract, case: &before.case, statement };
        let suggestion = "rewrite the statement so that one plan is clearly best; if that is impossible, raise the statistics \
                          target of its columns or create extended statistics";
        let found = format!("after another ANALYZE: {found}");
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
    let known: BTreeSet<_> = before.findings.iter().map(identity).collect();
    let new = after.findings.iter().filter(|finding| !known.contains(&identity(finding)));
    let of_finding =
        |finding: &Finding| found(&finding.statement, finding.expected.clone(), finding.found.clone());
    changed.map(of_plan).chain(of_number).chain(new.map(of_finding)).collect()
}

/// Returns what identifies a finding, because its figures differ with the sample.
fn identity(finding: &Finding) -> (Rule, &str) {
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

    fn differences(before: &Judged, after: &Judged) -> Vec<(String, String)> {
        let found = unstable_plans(before, after).into_iter();
        let of_rule = found.inspect(|one| assert_eq!(one.rule, Rule::UnstablePlan));
        of_rule.map(|one| (one.expected, one.found)).collect()
    }

    #[test]
    fn accepts_equal_plans() {
        let same = judged(vec![by("a"), by("b")], &[Rule::Wasteful]);
        assert_eq!(differences(&same, &same), []);
        assert_eq!(
            differences(&same, &judged(vec![by("a"), by("b")], &[])),
            [],
            "a finding that disappears does not count"
        );
    }

    #[test]
    fn finds_other_indexes() {
        let found = differences(&judged(vec![by("a"), by("b")], &[]), &judged(vec![by("a"), by("c")], &[]));
        let expected = ("Index Scan b", "after another ANALYZE: Index Scan c");
        assert_eq!(found, [(expected.0.to_owned(), expected.1.to_owned())]);
    }

    #[test]
    fn finds_new_findings_with_the_same_index() {
        let before = judged(vec![by("a")], &[Rule::Unserved]);
        let after = judged(vec![by("a")], &[Rule::Unserved, Rule::Wasteful]);
        let found = differences(&before, &after);
        let expected = ("few rows", "after another ANALYZE: many");
        assert_eq!(found, [(expected.0.to_owned(), expected.1.to_owned())]);
    }

    #[test]
    fn finds_other_numbers_of_statements() {
        let found = differences(&judged(vec![by("a"), by("b")], &[]), &judged(vec![by("a")], &[]));
        let expected = ("2 statements", "after another ANALYZE: 1 statements");
        assert_eq!(found, [(expected.0.to_owned(), expected.1.to_owned())]);
    }
}
