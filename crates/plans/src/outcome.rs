//! Outcome of a case: figures of its statements, and its findings.

use crate::activity::TableActivity;
use crate::branches::Limit;
use crate::facts::Facts;
use crate::replay::{Ran, one_line};
use crate::verdict::{self, Access, Via};
use crate::{Contract, Finding, PlanKind, Work};
use serde::Serialize;

/// Verdict on a case.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Contract of the operation.
    pub contract: Contract,
    /// Name of the case.
    pub case: String,
    /// Number of statements that the program sent, including those without a plan.
    pub sent: u32,
    /// Statements of the operation, in order.
    pub statements: Vec<StatementOutcome>,
    /// Faults.
    pub findings: Vec<Finding>,
    /// Remarks that fail nothing: generic plans that break a rule and are not chosen.
    pub notes: Vec<Finding>,
}

/// A replayed statement of a case.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StatementOutcome {
    /// Operation that sent it.
    pub operation: String,
    /// Text on one line.
    pub sql: String,
    /// Id in `pg_stat_statements`, for this database and its copies.
    pub query_id: Option<i64>,
    /// Plan on one line.
    pub shape: String,
    /// Tables that the plan reads, with the access paths.
    pub accesses: Vec<Access>,
    /// Tables that were read or written, including those of functions, triggers and foreign keys.
    pub touched: Vec<TableActivity>,
    /// Indexes that were used for foreign keys, in either direction.
    pub behind: Vec<String>,
    /// Pages read from memory or disk, without those of planning and foreign keys.
    pub buffers: u64,
    /// Rows that were returned or changed, and those that were handled for them.
    pub work: Work,
    /// True if the statement found something; for a count, if there was something to count.
    pub found: bool,
    /// For each parameter, true if it was NULL.
    pub nulls: Vec<bool>,
    /// Value of its LIMIT.
    pub limit: Option<u64>,
    /// Number of the parameter of its LIMIT, from 1.
    pub limit_parameter: Option<usize>,
    /// Value of its OFFSET, if that is a parameter.
    pub offset: Option<u64>,
    /// Bytes of write-ahead log.
    pub wal_bytes: u64,
    /// Ratio of estimated to actual rows at the worst node, or its inverse; 1 is exact.
    pub q_error: f64,
    /// Kind of plan that the server settles on; `None` until [`plan_kinds`](crate::plan_kinds) ran.
    pub plan_kind: Option<PlanKind>,
}

impl StatementOutcome {
    pub(crate) fn of(ran: &Ran<'_>, facts: &Facts) -> Self {
        let Ran { statement, explained, behind, touched } = ran;
        let limit = Limit::of(statement);
        Self {
            operation: statement.operation.to_owned(),
            sql: one_line(&statement.sql),
            query_id: explained.query_id,
            shape: verdict::shape(&explained.plan, facts),
            accesses: verdict::accesses(explained, facts),
            touched: touched.clone(),
            behind: behind.index_names(facts),
            buffers: explained.buffers(),
            work: Work::of(explained, facts),
            found: explained.found(),
            nulls: statement.parameters.iter().map(|parameter| parameter.value.is_none()).collect(),
            limit: limit.rows,
            limit_parameter: limit.parameter,
            offset: limit.offset,
            wal_bytes: explained.plan.wal_bytes,
            q_error: verdict::q_error(&explained.plan),
            plan_kind: None,
        }
    }

    /// Returns the pages of the plan that the server settles on: the generic plan, or the plan for the values of the
    /// case.
    pub fn settled_buffers(&self) -> u64 {
        let generic = self.plan_kind.as_ref().filter(|kind| kind.is_generic);
        generic.map_or(self.buffers, |kind| kind.generic_buffers)
    }

    /// Returns the indexes of its plan, each once.
    pub fn indexes(&self) -> Vec<&String> {
        let mut indexes: Vec<_> = self.accesses.iter().flat_map(|access| access.via.indexes()).collect();
        indexes.sort();
        indexes.dedup();
        indexes
    }

    /// Returns true if it reads a whole table of more than eight pages.
    pub(crate) fn reads_whole_table(&self) -> bool {
        self.buffers > 8 && self.accesses.iter().any(|access| access.via == Via::Seq)
    }

    /// Returns true if its plan reads a table. An INSERT that only detects conflicts does not.
    pub(crate) fn reads_tables(&self) -> bool {
        self.accesses.iter().any(|access| !matches!(access.via, Via::Arbiter(_)))
    }

    /// Returns true if it read or wrote `table` or a partition of it.
    pub fn touches(&self, table: &str) -> bool {
        self.touched.iter().any(|touched| touched.table == table)
    }

    /// Returns the number of rows of `table` and its partitions that it inserted, updated and deleted.
    pub fn rows_written(&self, table: &str) -> u64 {
        self.touched.iter().filter(|touched| touched.table == table).map(|touched| touched.rows_written).sum()
    }

    pub(crate) fn all_indexes(&self) -> impl Iterator<Item = &String> {
        self.indexes().into_iter().chain(&self.behind)
    }
}
