//! What a verification found out, for people and for programs: the same facts give the same text.

mod markdown;
mod table;

use crate::finding::{blocks, merged};
use crate::{Finding, Growth, Score, StatementOutcome};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// All that a verification has to say. It holds counts and names, no times, so that two runs over the same data are
/// the same text and a difference between two versions of it is a change of the program.
///
/// `to_string` is the terminal's form: a block of lines for each finding, grouped by statement, and a last line that sums
/// up.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// The server's version, e.g. `15.18`.
    pub server: String,
    /// Settings that the plans depend on, e.g. `jit` is `off`.
    pub settings: BTreeMap<String, String>,
    /// A row for each statement of each operation.
    pub operations: Vec<OperationRow>,
    /// All that is known of each case; for programs, the page for people leaves it out.
    pub cases: Vec<CaseRow>,
    /// Indexes that exist because a document demands them.
    pub documented: Vec<DocumentedRow>,
    /// What each index saves.
    pub ablation: Vec<AblationRow>,
    /// What became of the mutants; `None` when there were none made.
    pub mutation: Option<Score>,
    /// Remarks on plans and the catalogue that fail nothing.
    pub notes: Vec<Finding>,
    /// What was not checked, and why; empty if all was.
    pub skipped: Vec<String>,
    /// What has to be repaired.
    pub findings: Vec<Finding>,
}

/// A statement of an operation, all cases together.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct OperationRow {
    /// The operation.
    pub operation: String,
    /// The statement's place in the unit of work, from 1.
    pub statement: usize,
    /// How many cases run it.
    pub cases: usize,
    /// The indexes that serve it in one case or another.
    pub indexes: Vec<String>,
    /// What the planner does, e.g. `index-only`; in the case that reads most.
    pub shape: String,
    /// Pages that it reads in the case that reads most, at the small size.
    pub buffers: u64,
    /// Those of the same case at ten times the size, when that was measured.
    pub buffers_at_ten: Option<u64>,
    /// Why it may grow, where it was declared to.
    pub may_grow: Option<String>,
    /// `custom`, `generic`, or `mixed` where cases differ; empty when not measured.
    pub plan_kind: String,
    /// Bytes of write-ahead log, in the case that writes most.
    pub wal_bytes: u64,
}

/// A case, with each of its statements at both sizes.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CaseRow {
    /// The operation.
    pub operation: String,
    /// The case.
    pub case: String,
    /// Its statements at the small size.
    pub statements: Vec<StatementOutcome>,
    /// Its statements at ten times the size; empty when that was not measured.
    pub statements_at_ten: Vec<StatementOutcome>,
    /// Pages at both sizes, and the most that the larger one may cost.
    pub growth: Vec<Growth>,
}

/// An index that exists because a document demands it, and what it costs.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct DocumentedRow {
    /// The index.
    pub index: String,
    /// Who demands it.
    pub by: String,
    /// Its size in bytes.
    pub bytes: i64,
    /// Bytes of write-ahead log that it adds to an insert, when that was measured.
    pub wal_bytes_per_insert: Option<u64>,
}

/// What an index saves, in the case that misses it most.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct AblationRow {
    /// The index.
    pub index: String,
    /// The operation and its case.
    pub case: String,
    /// Pages with the index.
    pub with: u64,
    /// Pages without it; `None` when the statement was refused.
    pub without: Option<u64>,
}

impl Report {
    /// Sorts everything and merges what several cases show, so that the order of the work does not show. Call it last.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.operations.sort();
        self.cases.sort_by(|a, b| (&a.operation, &a.case).cmp(&(&b.operation, &b.case)));
        self.documented.sort();
        self.ablation.sort();
        sort_findings(&mut self.notes);
        sort_findings(&mut self.findings);
        self
    }

    /// Returns true if there are no findings.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// The report as JSON, indented, with a newline at its end.
    ///
    /// # Errors
    /// None in practice: every field has a form in JSON.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }

    /// The report as Markdown for a person to read: what serves each operation, what it reads, and why each index is
    /// there. Versions of the server are not told apart in it beyond the one line that names it.
    pub fn to_markdown(&self) -> String {
        markdown::markdown(self)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.findings.is_empty() {
            write!(f, "{}\n\n", blocks(&self.findings))?;
        }
        for skipped in &self.skipped {
            writeln!(f, "not checked: {skipped}")?;
        }
        if let Some(score) = &self.mutation {
            writeln!(f, "mutants: {}", score.total())?;
        }
        let operations = self.operations.chunk_by(|a, b| a.operation == b.operation).count();
        let (statements, notes, findings) = (self.operations.len(), self.notes.len(), self.findings.len());
        write!(f, "PostgreSQL {}: {operations} operations, {statements} statements, ", self.server)?;
        write!(f, "{findings} findings, {notes} notes")
    }
}

/// Those of one statement stand together.
fn sort_findings(findings: &mut Vec<Finding>) {
    let key = |finding: &Finding| {
        let Finding { rule, subject, case, statement, expected, found, suggestion, .. } = finding.clone();
        (subject, statement, rule, case, expected, found, suggestion)
    };
    findings.sort_by_cached_key(key);
    *findings = merged(findings.drain(..));
}
