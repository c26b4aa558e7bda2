//! The rounds of the test: the shop without a fault, with those of operations, with those of the schema, and broken.

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
    /// Findings where nothing is wrong.
    needless: Vec<Finding>,
}

/// Plants every fault and looks for it.
///
/// # Errors
/// Returns an error if no verdict can be reached: no server, or a case that fails and should not.
pub(crate) async fn run() -> Result<Outcome> {
    let (faults, broken) = (faults::all(), faults::broken());
    let planted = faults.len() + broken.len();
    let (of_schema, others): (Vec<_>, Vec<_>) = faults.iter().partition(|fault| fault.sql().is_some());
    let database = TestDatabase::empty().await?;
    let url = &database.url();
    let needless = round(url, &[]).await.context("without a fault")?;
    let mut missed = Vec::new();
    for faults in [vec![others], together(of_schema)].concat() {
        let found = round(url, &faults).await?;
        missed.extend(faults.iter().filter_map(|fault| missing(fault, &found)));
    }
    for broken in &broken {
        missed.extend(unexplained(url, broken).await);
    }
    Ok(Outcome { planted, missed, needless })
}

/// Returns groups of faults that can be planted together: no two faults of a group change the same object.
fn together(faults: Vec<&Fault>) -> Vec<Vec<&Fault>> {
    let mut groups: Vec<Vec<&Fault>> = Vec::new();
    for fault in faults {
        let has_room = |group: &&mut Vec<&Fault>| group.iter().all(|other| other.object() != fault.object());
        match groups.iter_mut().find(has_room) {
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

/// Returns whether `operation` of the shop runs in a round with `faults`: only if one of them must show
/// in it, or in its area.
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

/// Returns a line if the error of a verification that cannot go on does not explain what is broken.
async fn unexplained(url: &str, broken: &Broken) -> Option<String> {
    let build = async |url: &str, _| schema::build(url, 0, &[]).await;
    let cases = async |verification: &mut Verification| broken.operation.verify(verification).await;
    let said = match Verification::run(url, build, cases).await {
        Ok(report) => report.to_string(),
        Err(error) => error.to_string(),
    };
    let name = &broken.operation.contract.operation;
    let is_named = broken.words.iter().all(|words| said.contains(words));
    (!is_named).then(|| format!("missed: {name}: expected {:?}; found `{said}`", broken.words))
}

impl Outcome {
    /// Returns whether every fault was found, and nothing else.
    pub(crate) fn is_clean(&self) -> bool {
        self.missed.is_empty() && self.needless.is_empty()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.needless {
            writeln!(f, "found where nothing is wrong:\n{finding}")?;
        }
        for line in &self.missed {
            writeln!(f, "{line}")?;
        }
        write!(f, "{} of {} planted faults found", self.planted - self.missed.len(), self.planted)
    }
}
