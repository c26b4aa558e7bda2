//! Declared bounds and budgets that no case needs.

use crate::growth::has_grown;
use crate::verdict::Context;
use crate::{Contract, Finding, Judged, Reads, Rule};
use std::collections::BTreeMap;

/// Returns a finding for each budget of statements that no case uses up, each
/// [`reads`](steadfast_postgres::Operation::reads) that no case needs, and each [`Reads::UpTo`] of which no case reads
/// half.
///
/// `judged` are all cases, of any number of operations, at the larger size if they ran at both. `pairs` are the cases
/// that ran at both sizes, the smaller size first.
pub fn unproven<'a>(
    judged: impl IntoIterator<Item = &'a Judged>,
    pairs: impl IntoIterator<Item = (&'a Judged, &'a Judged)>,
) -> Vec<Finding> {
    let mut operations: BTreeMap<&str, Needs<'_>> = BTreeMap::new();
    for case in judged {
        let needs = operations.entry(&case.contract.operation).or_insert_with(|| Needs::of(&case.contract));
        needs.take(case);
    }
    for (small, large) in pairs {
        let needs = operations.entry(&large.contract.operation).or_insert_with(|| Needs::of(&large.contract));
        needs.is_needed |= has_grown(small, large);
        needs.ran_at_both_sizes = true;
    }
    operations.into_values().flat_map(|needs| needs.findings()).collect()
}

/// Maxima of the cases of one operation.
struct Needs<'a> {
    contract: &'a Contract,
    /// Maximum number of statements of a case.
    sent: u32,
    /// Maximum number of rows that a statement scanned.
    scanned: u64,
    /// True if a statement would break a rule without the declaration.
    is_needed: bool,
    /// True if a case ran at both sizes.
    ran_at_both_sizes: bool,
}

impl<'a> Needs<'a> {
    fn of(contract: &'a Contract) -> Self {
        Self { contract, sent: 0, scanned: 0, is_needed: false, ran_at_both_sizes: false }
    }

    fn take(&mut self, case: &Judged) {
        self.sent = self.sent.max(case.sent);
        let bare = Contract { reads: None, ..case.contract.clone() };
        for statement in &case.statements {
            let work = statement.work;
            self.scanned = self.scanned.max(work.scanned.max(work.skipped));
            let is_beyond = work.allowed(&bare).is_some_and(|allowed| !work.is_within(allowed));
            self.is_needed |= is_beyond || statement.reads_whole_table();
        }
    }

    fn findings(&self) -> Vec<Finding> {
        let context = Context { contract: self.contract, case: "", statement: "" };
        let mut findings = Vec::new();
        if self.contract.batch.is_none() && self.sent < self.contract.statements {
            findings.push(context.finding(
                Rule::Unproven,
                format!("a case that sends {} statements, as many as declared", self.contract.statements),
                format!("{} at most", self.sent),
                "add the case that sends the other statements; if there is none, lower `statements`",
            ));
        }
        if let Some((reads, _)) = &self.contract.reads
            && self.ran_at_both_sizes
        {
            findings.extend(self.of_reads(&context, *reads));
        }
        findings
    }

    fn of_reads(&self, context: &Context<'_>, reads: Reads) -> Option<Finding> {
        match reads {
            _ if !self.is_needed => Some(context.finding(
                Rule::Unproven,
                format!("a case that needs `reads({reads:?}, ...)`"),
                "no case needs it",
                "add the case whose statement reads that much; if there is none, remove `reads`",
            )),
            Reads::UpTo(rows) if self.scanned < u64::from(rows) / 2 => Some(context.finding(
                Rule::Unproven,
                format!("a case that reads half of the {rows} rows that `reads(UpTo({rows}), ...)` allows"),
                format!("{} rows at most", self.scanned),
                "add the case whose statement reaches the bound; if there is none, lower the bound",
            )),
            _ => None,
        }
    }
}
