//! Typed plans: the output of EXPLAIN for one statement.

mod node;
#[cfg(test)]
mod tests;

pub use node::{Conflict, Filter, Join, Node, Relation, Spill};

use crate::ExplainError;
use node::Fields;
use serde_json::Value;

/// Output of `EXPLAIN (ANALYZE, BUFFERS, WAL, VERBOSE, FORMAT JSON)` for one statement, PostgreSQL 15 to 18.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    /// Root of the plan.
    pub plan: Node,
    /// Triggers that fired, including those of foreign keys. The plan has no nodes for their statements.
    pub triggers: Vec<Trigger>,
    /// Id of the statement in `pg_stat_statements`; `None` if `compute_query_id` is off.
    pub query_id: Option<i64>,
}

/// A trigger that a statement fired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// Name.
    pub name: String,
    /// Constraint that the trigger enforces: a foreign key.
    pub constraint: Option<String>,
    /// Table of the trigger.
    pub relation: String,
    /// Number of calls.
    pub calls: u64,
}

impl Explained {
    /// Parses the output: a JSON array with one plan.
    ///
    /// # Errors
    /// Returns [`ExplainError`] if the JSON is not a plan, or lacks a field that a verdict needs.
    pub fn parse(json: &Value) -> Result<Self, ExplainError> {
        let only =
            json.as_array().and_then(|all| all.first()).ok_or(ExplainError::new("[0]", "the answer"))?;
        let fields = Fields::of(only, "the answer")?;
        let triggers = fields.list("Triggers").iter().map(Trigger::parse).collect::<Result<_, _>>()?;
        Ok(Self { plan: Node::parse(fields.required("Plan")?)?, triggers, query_id: fields.query_id() })
    }

    /// Returns all nodes, parents before their children.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.plan.walk()
    }

    /// Returns the pages that the execution read, from memory or disk, without those of planning.
    pub fn buffers(&self) -> u64 {
        self.plan.buffers
    }

    /// Returns the rows that were returned or changed, as in the server's command tag.
    pub fn rows(&self) -> u64 {
        self.plan.affected()
    }

    /// Returns true if the statement found something. A count or an EXISTS always returns one row, so the nodes below
    /// decide.
    pub fn found(&self) -> bool {
        self.plan.found()
    }
}

impl Trigger {
    fn parse(json: &Value) -> Result<Self, ExplainError> {
        let fields = Fields::of(json, "a trigger")?;
        Ok(Self {
            name: fields.text("Trigger Name")?,
            constraint: fields.optional_text("Constraint Name"),
            relation: fields.text("Relation")?,
            calls: fields.number("Calls")? as u64,
        })
    }
}
