//! The checks that a verification makes besides those of plans and growth, and the facts that they rest on.

use super::Verification;
use crate::{Contract, Documented, SeenBinds, SmallTable};

/// Options of a verification. All checks that need more than the cases are off by default.
#[derive(Debug, Default)]
pub(super) struct Options {
    /// Operations that must have a case.
    pub(super) declared: Vec<Contract>,
    pub(super) small_tables: Vec<SmallTable<'static>>,
    pub(super) ignored_tables: Vec<&'static str>,
    pub(super) documented: Vec<Documented<'static>>,
    /// Changes of each index that the cases are replayed with.
    pub(super) changes: Option<Changes>,
    /// Number of further ANALYZEs that the cases are replayed after.
    pub(super) samples: u32,
    pub(super) judges_small_size: bool,
    pub(super) coverage: Option<Coverage>,
    pub(super) seen_binds: Option<SeenBinds>,
    /// Reason for verifying some of the operations only.
    pub(super) partial: Option<String>,
    progress: Option<fn(&str)>,
}

/// Changes of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Changes {
    /// Removal of the index.
    Drop,
    /// Every change of [`mutants`](crate::mutants).
    All,
}

/// The statements of the program in the server's statistics.
#[derive(Clone, Copy, Debug)]
pub(super) struct Coverage {
    /// Role of the program's sessions.
    pub(super) role: &'static str,
    pub(super) is_internal: fn(&str) -> bool,
}

impl Options {
    /// Reports the step that begins.
    pub(super) fn begin(&self, step: &str) {
        if let Some(progress) = self.progress {
            progress(step);
        }
    }
}

impl Verification {
    /// Declares an operation that must have a case; one without a case is a finding. A program that has a list of its
    /// operations declares each of them, so that none is forgotten here.
    pub fn declare(&mut self, contract: &Contract) {
        self.options.declared.push(contract.clone());
    }

    /// Declares that `table` never has more than `rows` rows, `because` a constraint or a test enforces it. Reading the
    /// whole table is then allowed. Every other table that a case reads needs more than eight pages at the larger size.
    pub fn small_table(&mut self, table: &'static str, rows: u64, because: &'static str) {
        self.options.small_tables.push(SmallTable { table, rows, because });
    }

    /// Excludes a table, with its indexes, from the checks of the schema: e.g. the table of a migration tool.
    pub fn ignore_table(&mut self, table: &'static str) {
        self.options.ignored_tables.push(table);
    }

    /// Declares that a document requires `index`. It must exist, and needs no case.
    pub fn documented(&mut self, index: &'static str, by: &'static str) {
        self.options.documented.push(Documented { index, by });
    }

    /// Replays the cases without each index in turn. An index that saves less than half of the pages is a finding, and
    /// [`Report::ablation`](crate::Report::ablation) shows what each index saves.
    pub fn ablate(&mut self) {
        self.options.changes.get_or_insert(Changes::Drop);
    }

    /// Does what [`ablate`](Self::ablate) does, and replays the cases with every other [mutant](crate::mutants) of each
    /// index too. A mutant that no case notices is a finding.
    pub fn mutate(&mut self) {
        self.options.changes = Some(Changes::All);
    }

    /// Replays the cases after each of so many further ANALYZEs. A plan that changes with the sample is a finding.
    pub fn resample(&mut self, times: u32) {
        self.options.samples = times;
    }

    /// Holds the plans at the smaller size against the contracts, too. By default only those of the larger size count,
    /// because few rows are read without an index.
    pub fn judge_small_size(&mut self) {
        self.options.judges_small_size = true;
    }

    /// Compares the statements that `role` has sent to the server, by `pg_stat_statements`, with those of the cases. Run
    /// the tests of the program as that role first, in databases copied from that of
    /// [`run_on_copies`](Self::run_on_copies). `is_internal` returns true for the text of a statement that belongs to no
    /// operation.
    pub fn coverage(&mut self, role: &'static str, is_internal: fn(&str) -> bool) {
        self.options.coverage = Some(Coverage { role, is_internal });
    }

    /// Compares the NULL parameters that the tests of the program have sent with those of the cases.
    pub fn null_parameters(&mut self, seen: SeenBinds) {
        self.options.seen_binds = Some(seen);
    }

    /// Declares that only some operations have cases, with the reason. Checks that need all of them are skipped and
    /// listed in [`Report::skipped`](crate::Report::skipped).
    pub fn partial(&mut self, because: impl Into<String>) {
        self.options.partial = Some(because.into());
    }

    /// Calls `report` with the name of each step that begins after the cases ran.
    pub fn progress(&mut self, report: fn(&str)) {
        self.options.progress = Some(report);
    }
}
