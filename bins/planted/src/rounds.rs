//! Rounds of the self-test: the shop without faults, with faults of operations, with faults of the schema, and with
//! faults that make the verification fail.

use crate::faults::{self, Broken, Fault, Plant};
use crate::operation::Operation;
use crate::{schema, shop};
use anyhow::{Context as _, Result};
use std::collections::BTreeSet;
use std::fmt;
use std::time::Instant;
use steadfast_plans::{Finding, Rule, Verification};
use steadfast_testkit::TestDatabase;

/// Result of all rounds.
pub(crate) struct Outcome {
    /// Number of planted faults.
    planted: usize,
    /// One line for each fault that was not found.
    missed: Vec<String>,
    /// Findings in the shop without faults.
    unexpected: Vec<Finding>,
}

/// Plants every fault and looks for it.
///
/// # Errors
/// Returns an error if no verdict can be reached: no server, or a case that fails unexpectedly.
pub(crate) async fn run() -> Result<Outcome> {
    let (faults, broken) = (faults::all(), faults::broken());
    let planted = faults.len() + broken.len();
    let (of_schema, others): (Vec<_>, Vec<_>) = faults.iter().partition(|fault| fault.sql().is_some());
    let database = TestDatabase::empty().await?;
    let url = &database.url();
    let unexpected = round(url, &[]).await.context("without a fault")?;
    let mut missed = Vec::new();
    for faults in [vec![others], together(of_schema)].concat() {
        let found = round(url, &faults).await?;
        missed.extend(faults.iter().filter_map(|fault| missing(fault, &found)));
    }
    for broken in &broken {
        missed.extend(unexplained(url, broken).await);
    }
    Ok(Outcome { planted, missed, unexpected })
}

/// Groups the faults that can be planted together: no two of a group change the same object.
fn together(faults: Vec<&Fault>) -> Vec<Vec<&Fault>> {
    let mut groups: Vec<Vec<&Fault>> = Vec::new();
    for fault in faults {
        let fits = |group: &&mut Vec<&Fault>| group.iter().all(|other| other.object() != fault.object());
        match groups.iter_mut().find(fits) {
            Some(group) => group.push(fault),
            None => groups.push(vec![fault]),
        }
    }
    groups
}

/// Verifies `faults`, or the shop without any, and returns the findings.
async fn round(url: &str, faults: &[&Fault]) -> Result<Vec<Finding>> {
    let began = Instant::now();
    let changes: Vec<_> = faults.iter().filter_map(|fault| fault.sql()).collect();
    let cases = async |verification: &mut Verification| {
        verification.small_table("regions", 600, "the seed of this test");
        for operation in shop::operations().iter().filter(|operation| is_of_interest(operation, faults)) {
            verification.declare(&operation.contract);
            operation.verify(verification).await?;
        }
        for fault in faults {
            match &fault.plant {
                Plant::Operation(operation) => operation.verify(verification).await?,
                Plant::Declaration(operation) => verification.declare(&operation.contract),
                Plant::Schema { .. } => {}
            }
        }
        Ok(())
    };
    let build = async |url: &str, amount| schema::build(url, amount, &changes).await;
    let report = Verification::run(url, build, cases).await?;
    eprintln!(
        "self-test {:>4.1} s: {} faults, {} findings",
        began.elapsed().as_secs_f64(),
        faults.len(),
        report.findings.len()
    );
    Ok(report.findings)
}

/// Returns true if `operation` of the shop must run in a round with `faults`: if one of them shows in it or in its
/// area.
fn is_of_interest(operation: &Operation, faults: &[&Fault]) -> bool {
    faults.is_empty() || faults.iter().any(|fault| operation.contract.operation.starts_with(&fault.subject))
}

/// Returns a line if `fault` is not among the findings.
fn missing(fault: &Fault, found: &[Finding]) -> Option<String> {
    let Fault { name, rule, subject, .. } = fault;
    let of_subject = found.iter().filter(|finding| finding.subject == *subject);
    let rules: BTreeSet<Rule> = of_subject.map(|finding| finding.rule).collect();
    (!rules.contains(rule))
        .then(|| format!("missed: {name}: expected {rule:?} of {subject}; found instead: {rules:?}"))
}

/// Returns a line if the error of a failed verification does not explain the fault.
async fn unexplained(url: &str, broken: &Broken) -> Option<String> {
    let build = async |url: &str, _| schema::build(url, 0, &[]).await;
    let cases = async |verification: &mut Verification| broken.operation.verify(verification).await;
    let text = match Verification::run(url, build, cases).await {
        Ok(report) => report.to_string(),
        Err(error) => error.to_string(),
    };
    let name = &broken.operation.contract.operation;
    let is_named = broken.words.iter().all(|words| text.contains(words));
    (!is_named).then(|| format!("missed: {name}: expected {:?}; found `{text}`", broken.words))
}

impl Outcome {
    /// Returns true if every fault was found, and nothing else.
    pub(crate) fn is_clean(&self) -> bool {
        self.missed.is_empty() && self.unexpected.is_empty()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.unexpected {
            writeln!(f, "unexpected finding:\n{finding}")?;
        }
        for line in &self.missed {
            writeln!(f, "{line}")?;
        }
        write!(f, "{} of {} planted faults found", self.planted - self.missed.len(), self.planted)
    }
}
