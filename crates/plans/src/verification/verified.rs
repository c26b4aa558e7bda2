//! What a verification came to.

use super::size::Size;
use crate::finding::{blocks, merged};
use crate::verdict::Place;
use crate::{
    Catalogue, Claims, Contract, Error, Finding, Growth, Judged, Rule, SmallTable, StatementOutcome,
    branches, growth, never_used, plan_kinds, resolved, unclaimed, unproven, unseeded,
};
use std::collections::BTreeSet;
use std::fmt;

/// What a verification came to. `to_string` is a block of lines for each finding, grouped by statement, and a last line
/// that sums up.
#[derive(Clone, Debug)]
pub struct Verified {
    /// What has to be repaired; empty is good. See [`resolved`](crate::resolved) for what is left out or merged.
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
        findings.extend(unseeded(&large.database, &judged, small_tables).await?);
        findings.extend(declared.iter().filter(|contract| !has_case(contract, &judged)).map(without_case));
        let catalogue = Catalogue::load(large.database.client()).await?;
        let checked = catalogue.check();
        findings.extend(unneeded(&catalogue, &judged));
        findings.extend(checked.findings);
        let findings = resolved(findings, &catalogue);
        let of_plans = judged.iter().flat_map(|case| case.notes.clone());
        let notes = merged(of_plans.chain(checked.notes));
        Ok(Self { findings, notes, judged, growth: grown })
    }
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.findings.is_empty() {
            write!(f, "{}\n\n", blocks(&self.findings))?;
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
        plan_kinds(&size.database, of_operation, judged).await?;
        runs = others;
    }
    Ok(())
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
