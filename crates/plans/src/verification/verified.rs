//! What a verification came to.

use super::size::Size;
use crate::verdict::Place;
use crate::{
    Catalogue, Claims, Contract, Error, Finding, Growth, Judged, Rule, SmallTable, StatementOutcome,
    branches, growth, never_used, plan_kinds, unclaimed, unproven, unseeded,
};
use std::collections::BTreeSet;
use std::fmt;

/// What a verification came to. `to_string` is a line for each finding, and a last one that sums up.
#[derive(Clone, Debug)]
pub struct Verified {
    /// What has to be mended; empty is good. What merely follows from another finding is left out: the growth, the
    /// generic plan and the idle indexes of an operation that reads whole tables, and the same waste in both plans.
    pub findings: Vec<Finding>,
    /// Remarks on plans and on the schema that fail nothing.
    pub notes: Vec<Finding>,
    /// Every case at the larger size: plans, figures, kinds of plans.
    pub judged: Vec<Judged>,
    /// Every statement at both sizes.
    pub growth: Vec<Growth>,
}

impl Verified {
    pub(super) async fn of(
        mut small: Size,
        mut large: Size,
        declared: &[Contract],
        small_tables: &[SmallTable<'_>],
    ) -> Result<Self, Error> {
        small.sort();
        large.sort();
        let at_small = small.judge().await?;
        let mut judged = large.judge().await?;
        settle(&large, &mut judged).await?;
        let mut findings: Vec<_> = judged.iter().flat_map(|case| case.findings.clone()).collect();
        // Plans of little data are not held against anything, but what cannot be replayed has no figures.
        let of_small = at_small.iter().flat_map(|case| case.findings.clone());
        findings.extend(of_small.filter(|finding| finding.rule == Rule::Replay));
        let mut grown = Vec::new();
        for (before, after) in at_small.iter().zip(&judged) {
            let (growth, of_growth) = growth(before, after);
            grown.extend(growth);
            findings.extend(of_growth);
        }
        findings.extend(never_used(&judged));
        findings.extend(branches(&judged, small_tables));
        findings.extend(unproven(&judged, at_small.iter().zip(&judged)));
        findings.extend(unseeded(&large.pristine, &judged, small_tables).await?);
        let mut findings = causes(findings);
        findings.extend(declared.iter().filter(|contract| !has_case(contract, &judged)).map(without_case));
        let catalogue = Catalogue::load(large.pristine.client()).await?;
        let checked = catalogue.check();
        findings.extend(unneeded(&catalogue, &judged));
        findings.extend(checked.findings);
        let of_plans = judged.iter().flat_map(|case| case.notes.clone());
        let notes = of_plans.chain(checked.notes).collect();
        Ok(Self { findings, notes, judged, growth: grown })
    }
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{:?}: {finding}", finding.rule)?;
        }
        let operations = self.judged.chunk_by(of_one_operation).count();
        let (cases, findings) = (self.judged.len(), self.findings.len());
        write!(f, "{operations} operations, {cases} cases, {findings} findings")
    }
}

fn of_one_operation(a: &Judged, b: &Judged) -> bool {
    a.contract.operation == b.contract.operation
}

/// Asks for the kind of plan of each statement, operation by operation.
async fn settle(size: &Size, judged: &mut [Judged]) -> Result<(), Error> {
    let mut runs = &size.runs[..];
    for judged in judged.chunk_by_mut(of_one_operation) {
        let (of_operation, others) = runs.split_at(judged.len());
        plan_kinds(&size.pristine, of_operation, judged).await?;
        runs = others;
    }
    Ok(())
}

/// The findings without those that merely follow from others.
fn causes(findings: Vec<Finding>) -> Vec<Finding> {
    let follows = |finding: &&Finding| findings.iter().any(|other| follows(finding, other));
    findings.iter().filter(|finding| !follows(finding)).cloned().collect()
}

fn follows(finding: &Finding, other: &Finding) -> bool {
    let of_operation = finding.subject == other.subject;
    let of_statement = of_operation && finding.case == other.case && finding.statement == other.statement;
    match (finding.rule, other.rule) {
        (Rule::GenericPlan | Rule::Growth | Rule::Unclaimed, Rule::Unserved) => of_operation,
        // What is found may show the values that the generic plan has no notion of.
        (Rule::GenericPlan, Rule::Wasteful) => of_statement && finding.expected == other.expected,
        _ => false,
    }
}

fn has_case(contract: &Contract, judged: &[Judged]) -> bool {
    judged.iter().any(|case| case.contract.operation == contract.operation)
}

fn without_case(contract: &Contract) -> Finding {
    let place = Place { contract, case: "", statement: "" };
    place.finding(Rule::Coverage, "a case", "none", "run the operation with values that its callers send")
}

fn unneeded(catalogue: &Catalogue, judged: &[Judged]) -> Vec<Finding> {
    let statements = || judged.iter().flat_map(|case| &case.statements);
    let used: BTreeSet<_> = statements().flat_map(StatementOutcome::indexes).cloned().collect();
    let supporting: BTreeSet<_> = statements().flat_map(|statement| statement.behind.clone()).collect();
    unclaimed(catalogue, Claims { used: &used, supporting: &supporting, documented: &[] })
}
