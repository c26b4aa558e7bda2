//! What came out for one case: figures of each statement, and what is wrong.

use crate::activity::TableActivity;
use crate::branches::Limit;
use crate::facts::Facts;
use crate::replay::{Ran, one_line};
use crate::verdict::{self, Access, Via};
use crate::{Contract, Finding, PlanKind, Work};
use serde::Serialize;

/// One case, judged.
#[derive(Clone, Debug)]
pub struct Judged {
    /// What was promised.
    pub contract: Contract,
    /// The name of the case.
    pub case: String,
    /// Number of statements that the program sent, also those that have no plan.
    pub sent: u32,
    /// The statements of the operation, in the order of the replay.
    pub statements: Vec<StatementOutcome>,
    /// What is wrong; empty is good.
    pub findings: Vec<Finding>,
    /// What is worth knowing and fails nothing: generic plans that would not hold, and are not chosen.
    pub notes: Vec<Finding>,
}

/// One statement of a case, as it was replayed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StatementOutcome {
    /// The operation that sent it.
    pub operation: String,
    /// Its text on one line.
    pub sql: String,
    /// By which `pg_stat_statements` knows it, in this database and its clones.
    pub query_id: Option<i64>,
    /// The plan on one line.
    pub shape: String,
    /// Each table that it reads, and how.
    pub accesses: Vec<Access>,
    /// The tables that it read or wrote, also behind its plan: by functions, triggers and foreign keys.
    pub touched: Vec<TableActivity>,
    /// The indexes that foreign keys took behind it, parents' and children's.
    pub behind: Vec<String>,
    /// Pages that executing it touched, in memory or on disk; planning and foreign keys excluded.
    pub buffers: u64,
    /// Rows that it returned or changed, and those that it handled for them.
    pub work: Work,
    /// Whether it found something: for a count, whether there was anything to count.
    pub found: bool,
    /// Which of its parameters were NULL.
    pub nulls: Vec<bool>,
    /// Value of the LIMIT at its end.
    pub limit: Option<u64>,
    /// Number of the parameter that is this LIMIT, from 1.
    pub limit_parameter: Option<usize>,
    /// Value of the OFFSET at its end, if that is a parameter.
    pub offset: Option<u64>,
    /// Bytes of write-ahead log.
    pub wal_bytes: u64,
    /// How far the planner's expectations are from what came, at the worst node; 1 is exact.
    pub q_error: f64,
    /// The plan that the server settles on after some runs; `None` until [`plan_kinds`](crate::plan_kinds) has asked.
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

    /// Pages of the plan that the server settles on: the one for all values where it changes to that, the replay's own
    /// otherwise.
    pub fn settled_buffers(&self) -> u64 {
        let generic = self.plan_kind.as_ref().filter(|kind| kind.is_generic);
        generic.map_or(self.buffers, |kind| kind.generic_buffers)
    }

    /// The indexes of its plan, each once.
    pub fn indexes(&self) -> Vec<&String> {
        let mut indexes: Vec<_> = self.accesses.iter().flat_map(|access| access.via.indexes()).collect();
        indexes.sort();
        indexes.dedup();
        indexes
    }

    /// Returns true if it reads a table as a whole, and more than the eight pages that are free.
    pub(crate) fn reads_whole_table(&self) -> bool {
        self.buffers > 8 && self.accesses.iter().any(|access| access.via == Via::Seq)
    }

    /// Returns true if it reads a table by its plan, as a condition of an INSERT does not.
    pub(crate) fn reads_tables(&self) -> bool {
        self.accesses.iter().any(|access| !matches!(access.via, Via::Arbiter(_)))
    }

    /// Whether it read or wrote `table`, or a partition of it.
    pub fn touches(&self, table: &str) -> bool {
        self.touched.iter().any(|touched| touched.table == table)
    }

    /// Rows of `table` and its partitions that it inserted, updated and deleted.
    pub fn rows_written(&self, table: &str) -> u64 {
        self.touched.iter().filter(|touched| touched.table == table).map(|touched| touched.rows_written).sum()
    }

    pub(crate) fn all_indexes(&self) -> impl Iterator<Item = &String> {
        self.indexes().into_iter().chain(&self.behind)
    }
}
