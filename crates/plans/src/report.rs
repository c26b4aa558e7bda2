//! Report of a verification.

mod markdown;
mod table;

use crate::finding::{blocks, merged};
use crate::{Finding, Growth, Score, StatementOutcome};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// Results of a verification. It contains counts and names, no times: two verifications of the same program and data
/// give the same report, and a difference between two versions of it is a change of the program.
///
/// `to_string` renders a block of lines for each finding, grouped by statement, and a last line with totals.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Version of the server, e.g. `15.18`.
    pub server: String,
    /// Settings that the plans depend on, e.g. `jit` is `off`.
    pub settings: BTreeMap<String, String>,
    /// Rows for the statements of the operations.
    pub operations: Vec<OperationRow>,
    /// Figures of each case. The Markdown omits them.
    pub cases: Vec<CaseRow>,
    /// Indexes that a document requires.
    pub documented: Vec<DocumentedRow>,
    /// Pages that each index saves.
    pub ablation: Vec<AblationRow>,
    /// Results of the mutants; `None` if there were none.
    pub mutation: Option<Score>,
    /// Remarks on plans and the schema that fail nothing.
    pub notes: Vec<Finding>,
    /// Checks that were skipped, with the reason.
    pub skipped: Vec<String>,
    /// Faults.
    pub findings: Vec<Finding>,
}

/// A statement of an operation; combines all cases.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct OperationRow {
    /// Operation.
    pub operation: String,
    /// Position of the statement in the unit of work, from 1.
    pub statement: usize,
    /// Number of cases that send it.
    pub cases: usize,
    /// Indexes that serve it in any case.
    pub indexes: Vec<String>,
    /// Plan on one line, in the case that reads most.
    pub shape: String,
    /// Pages in the case that reads most, at the smaller size.
    pub buffers: u64,
    /// Pages of the same case at ten times the size, if measured.
    pub buffers_at_ten: Option<u64>,
    /// Reason for growing, if declared.
    pub may_grow: Option<String>,
    /// `custom`, `generic`, or `mixed` if cases differ; empty if not measured.
    pub plan_kind: String,
    /// Bytes of write-ahead log, in the case that writes most.
    pub wal_bytes: u64,
}

/// A case, with its statements at both sizes.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CaseRow {
    /// Operation.
    pub operation: String,
    /// Case.
    pub case: String,
    /// Statements at the smaller size.
    pub statements: Vec<StatementOutcome>,
    /// Statements at ten times the size; empty if not measured.
    pub statements_at_ten: Vec<StatementOutcome>,
    /// Growth of each statement, with its bounds.
    pub growth: Vec<Growth>,
}

/// An index that a document requires, with its costs.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct DocumentedRow {
    /// Index.
    pub index: String,
    /// Document that requires it.
    pub by: String,
    /// Size in bytes.
    pub bytes: i64,
    /// Bytes of write-ahead log that it adds to an insert, if measured.
    pub wal_bytes_per_insert: Option<u64>,
}

/// Pages that an index saves, in the case that misses it most.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct AblationRow {
    /// Index.
    pub index: String,
    /// Operation and case.
    pub case: String,
    /// Pages with the index.
    pub with: u64,
    /// Pages without it; `None` if the statement was rejected.
    pub without: Option<u64>,
}

impl Report {
    /// Sorts all parts, and merges findings of several cases. Call it after everything was added.
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

    /// Renders the report as indented JSON, with a final newline.
    ///
    /// # Errors
    /// Returns an error if serialisation fails, which no field of a report causes.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }

    /// Renders the report as Markdown: the plans of each operation, and the use of each index. Server versions differ
    /// in the line that names the version only.
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

/// Sorts findings so that those of a statement are consecutive.
fn sort_findings(findings: &mut Vec<Finding>) {
    let key = |finding: &Finding| {
        let Finding { rule, subject, case, statement, expected, found, suggestion, .. } = finding.clone();
        (subject, statement, rule, case, expected, found, suggestion)
    };
    findings.sort_by_cached_key(key);
    *findings = merged(findings.drain(..));
}
