//! The plan of one statement as the server ran it, typed: verdicts read fields, never the plan's text.

mod node;
#[cfg(test)]
mod tests;

pub use node::{Conflict, Filter, Join, Node, Relation, Spill};

use crate::ExplainError;
use node::Fields;
use serde_json::Value;

/// What `EXPLAIN (ANALYZE, BUFFERS, WAL, VERBOSE, FORMAT JSON)` said of one statement. PostgreSQL 15 to 18.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    /// The topmost node.
    pub plan: Node,
    /// Triggers that were fired, foreign keys among them. What they did is in no node.
    pub triggers: Vec<Trigger>,
    /// By which `pg_stat_statements` knows the statement; absent where `compute_query_id` is off.
    pub query_id: Option<i64>,
}

/// A trigger that a statement fired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// Its name.
    pub name: String,
    /// The constraint that it keeps, if it does: a foreign key's.
    pub constraint: Option<String>,
    /// The table that it is on.
    pub relation: String,
    /// How often it was fired.
    pub calls: u64,
}

impl Explained {
    /// Reads the server's answer: one JSON array with one plan.
    ///
    /// # Errors
    /// [`ExplainError`] when it is no such plan, or when something is missing that a verdict would rest on.
    pub fn parse(json: &Value) -> Result<Self, ExplainError> {
        let only =
            json.as_array().and_then(|all| all.first()).ok_or(ExplainError::new("[0]", "the answer"))?;
        let fields = Fields::of(only, "the answer")?;
        let triggers = fields.list("Triggers").iter().map(Trigger::parse).collect::<Result<_, _>>()?;
        Ok(Self { plan: Node::parse(fields.required("Plan")?)?, triggers, query_id: fields.query_id() })
    }

    /// The nodes, each before its children.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.plan.walk()
    }

    /// The pages that executing it touched, in memory or on disk, planning excluded.
    pub fn buffers(&self) -> u64 {
        self.plan.buffers
    }

    /// The rows that it returned or changed, counted as in the server's command tag.
    pub fn rows(&self) -> u64 {
        self.plan.affected()
    }

    /// Returns true if it found something. A count or an EXISTS always returns one row, so what is below it decides.
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
