//! Nodes of a plan. Fields that a verdict needs are required; all others may be missing, and unknown ones are ignored.

use crate::ExplainError;
use serde_json::{Map, Value};

/// Table that a node reads or changes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Relation {
    /// Schema.
    pub schema: String,
    /// Name; for a partition its own.
    pub name: String,
}

/// Filter: a condition that is checked after rows were read.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    /// The condition.
    pub condition: String,
    /// Rows that the filter removed, in all loops.
    pub removed: u64,
}

/// ON CONFLICT of an INSERT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Indexes that detect conflicts.
    pub arbiters: Vec<String>,
    /// Rows inserted.
    pub inserted: u64,
    /// Rows that conflicted.
    pub conflicting: u64,
    /// Conflicting rows that the condition of DO UPDATE left unchanged.
    pub left_alone: u64,
    /// True for DO UPDATE.
    pub updates: bool,
}

/// Rows that were written to disk because they did not fit into memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spill {
    /// Sort method.
    pub method: String,
    /// Kilobytes on disk.
    pub kilobytes: u64,
}

/// Relation of a node to its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// Input of the parent.
    Input,
    /// Sub-plan, executed once or once for each row.
    SubPlan,
}

/// A node with its children.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Type, e.g. `Index Scan`.
    pub kind: String,
    /// Relation to its parent.
    pub join: Join,
    /// Table that the node reads or changes.
    pub relation: Option<Relation>,
    /// Index that the node uses.
    pub index: Option<String>,
    /// Condition that is looked up in the index.
    pub index_condition: Option<String>,
    /// Condition that is checked after the index lookup.
    pub filter: Option<Filter>,
    /// Rows that a lossy index or bitmap returned and the recheck removed, in all loops.
    pub removed_by_recheck: u64,
    /// Pairs of rows that a join compared and removed, in all loops.
    pub removed_by_join: u64,
    /// Sort key.
    pub sort_key: Option<String>,
    /// Operation of a ModifyTable: `Insert`, `Update`, `Delete` or `Merge`.
    pub operation: Option<String>,
    /// True for an aggregate without groups, which always returns one row.
    pub is_plain_aggregate: bool,
    /// Estimated rows for each loop.
    pub planned_rows: f64,
    /// Average rows for each loop.
    pub actual_rows: f64,
    /// Number of loops; 0 if the node never ran.
    pub loops: u64,
    /// Rows of an index-only scan that were looked up in the table.
    pub heap_fetches: u64,
    /// Sort data written to disk.
    pub spill: Option<Spill>,
    /// Pages read from memory or disk, including children.
    pub buffers: u64,
    /// Pages written to temporary files, including children.
    pub temporary_written: u64,
    /// Bytes of write-ahead log, including children.
    pub wal_bytes: u64,
    /// ON CONFLICT of an INSERT.
    pub conflict: Option<Conflict>,
    /// Rows that a MERGE inserted, updated and deleted.
    pub merged: Option<u64>,
    /// Children.
    pub children: Vec<Node>,
}

impl Node {
    pub(super) fn parse(json: &Value) -> Result<Self, ExplainError> {
        let kind = Fields::of(json, "a node")?.text("Node Type")?;
        let fields = Fields::of(json, &kind)?;
        let loops = fields.number("Actual Loops")? as u64;
        let children = fields.list("Plans").iter().map(Self::parse).collect::<Result<_, _>>()?;
        Ok(Self {
            join: fields.join(),
            relation: fields.relation(&kind)?,
            index: fields.index(&kind)?,
            index_condition: fields.optional_text("Index Cond"),
            filter: fields.filter(loops)?,
            removed_by_recheck: fields.per_loop("Rows Removed by Index Recheck", loops),
            removed_by_join: fields.per_loop("Rows Removed by Join Filter", loops),
            sort_key: fields.sort_key(),
            operation: fields.optional_text("Operation"),
            is_plain_aggregate: fields.optional_text("Strategy").as_deref() == Some("Plain"),
            planned_rows: fields.number("Plan Rows")?,
            actual_rows: fields.number("Actual Rows")?,
            loops,
            heap_fetches: fields.heap_fetches(&kind)?,
            spill: fields.spill(),
            buffers: fields.count("Shared Hit Blocks")? + fields.count("Shared Read Blocks")?,
            temporary_written: fields.count("Temp Written Blocks")?,
            wal_bytes: fields.count("WAL Bytes")?,
            conflict: fields.conflict()?,
            merged: fields.merged(),
            kind,
            children,
        })
    }

    /// Returns this node and all nodes below it, parents before their children.
    pub fn walk(&self) -> Box<dyn Iterator<Item = &Self> + '_> {
        Box::new(std::iter::once(self).chain(self.children.iter().flat_map(Self::walk)))
    }

    /// Returns true if the node ran.
    pub fn ran(&self) -> bool {
        self.loops > 0
    }

    /// Returns the rows of all loops. It is not exact with many loops, because the server rounds averages.
    pub fn rows(&self) -> u64 {
        (self.actual_rows * self.loops as f64).round() as u64
    }

    /// Returns true if the node reads a table. A bitmap index scan does not: the heap scan above it does.
    pub fn is_scan(&self) -> bool {
        self.relation.is_some() && self.kind.ends_with("Scan")
    }

    /// Returns true if the node found something. An aggregate without groups must have had input rows, and an
    /// expression a sub-plan whose scan found rows.
    pub(super) fn found(&self) -> bool {
        if matches!(&*self.kind, "Limit" | "Subquery Scan" | "Sort") && self.rows() > 0 {
            return self.children.iter().any(|child| child.join == Join::Input && child.found());
        }
        if self.is_plain_aggregate {
            self.children.iter().any(|child| child.join == Join::Input && child.found())
        } else if self.kind == "Result" && self.children.iter().all(|child| child.join == Join::SubPlan) {
            self.walk().any(|node| node.is_scan() && node.rows() > 0)
        } else {
            self.affected() > 0
        }
    }

    /// Returns the number of rows that the node returned, or changed if it is a ModifyTable.
    pub(crate) fn affected(&self) -> u64 {
        if self.kind != "ModifyTable" {
            return self.rows();
        }
        match (&self.conflict, self.merged) {
            (_, Some(merged)) => merged,
            (Some(Conflict { inserted, updates: false, .. }), _) => *inserted,
            (Some(Conflict { inserted, conflicting, left_alone, .. }), _) => {
                inserted + conflicting - left_alone
            }
            (None, None) => {
                self.children.iter().filter(|child| child.join == Join::Input).map(Self::rows).sum()
            }
        }
    }
}

/// Fields of a JSON object, and the name of the object for errors.
pub(super) struct Fields<'a> {
    map: &'a Map<String, Value>,
    of: &'a str,
}

impl<'a> Fields<'a> {
    pub(super) fn of(json: &'a Value, of: &'a str) -> Result<Self, ExplainError> {
        let map = json.as_object().ok_or_else(|| ExplainError::new("an object", of))?;
        Ok(Self { map, of })
    }

    pub(super) fn required(&self, key: &'static str) -> Result<&'a Value, ExplainError> {
        self.map.get(key).ok_or_else(|| ExplainError::new(key, self.of))
    }

    pub(super) fn text(&self, key: &'static str) -> Result<String, ExplainError> {
        self.optional_text(key).ok_or_else(|| ExplainError::new(key, self.of))
    }

    pub(super) fn optional_text(&self, key: &str) -> Option<String> {
        self.map.get(key)?.as_str().map(str::to_owned)
    }

    pub(super) fn number(&self, key: &'static str) -> Result<f64, ExplainError> {
        self.required(key)?.as_f64().ok_or_else(|| ExplainError::new(key, self.of))
    }

    pub(super) fn list(&self, key: &str) -> &'a [Value] {
        self.map.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns the query id, which is printed unsigned from version 16 on and signed before.
    pub(super) fn query_id(&self) -> Option<i64> {
        let id = self.map.get("Query Identifier")?;
        id.as_i64().or_else(|| id.as_u64().map(u64::cast_signed))
    }

    fn count(&self, key: &'static str) -> Result<u64, ExplainError> {
        self.required(key)?.as_u64().ok_or_else(|| ExplainError::new(key, self.of))
    }

    fn per_loop(&self, key: &str, loops: u64) -> u64 {
        let average = self.map.get(key).and_then(Value::as_f64).unwrap_or_default();
        (average * loops as f64).round() as u64
    }

    fn join(&self) -> Join {
        match self.map.get("Parent Relationship").and_then(Value::as_str) {
            Some("InitPlan" | "SubPlan") => Join::SubPlan,
            _ => Join::Input,
        }
    }

    fn relation(&self, kind: &str) -> Result<Option<Relation>, ExplainError> {
        let always = matches!(
            kind,
            "Seq Scan" | "Index Scan" | "Index Only Scan" | "Bitmap Heap Scan" | "Sample Scan"
        );
        if !always && !self.map.contains_key("Relation Name") {
            return Ok(None);
        }
        Ok(Some(Relation { schema: self.text("Schema")?, name: self.text("Relation Name")? }))
    }

    fn index(&self, kind: &str) -> Result<Option<String>, ExplainError> {
        match kind {
            "Index Scan" | "Index Only Scan" | "Bitmap Index Scan" => self.text("Index Name").map(Some),
            _ => Ok(None),
        }
    }

    /// Returns the filter, if there is one. The server then prints the number of removed rows, even if it is zero.
    fn filter(&self, loops: u64) -> Result<Option<Filter>, ExplainError> {
        let Some(condition) = self.optional_text("Filter") else { return Ok(None) };
        let removed = (self.number("Rows Removed by Filter")? * loops as f64).round() as u64;
        Ok(Some(Filter { condition, removed }))
    }

    fn sort_key(&self) -> Option<String> {
        let keys: Vec<_> = self.list("Sort Key").iter().filter_map(Value::as_str).collect();
        (!keys.is_empty()).then(|| keys.join(", "))
    }

    fn heap_fetches(&self, kind: &str) -> Result<u64, ExplainError> {
        if kind == "Index Only Scan" { Ok(self.number("Heap Fetches")? as u64) } else { Ok(0) }
    }

    /// Returns the spill of a sort to disk. An incremental sort reports its groups, each with its own sort.
    fn spill(&self) -> Option<Spill> {
        let groups =
            ["Full-sort Groups", "Pre-sorted Groups"].into_iter().filter_map(|key| self.map.get(key));
        let of_groups = groups.filter_map(|group| group.get("Sort Space Disk")).next().map(|disk| Spill {
            method: "incremental sort".to_owned(),
            kilobytes: disk.get("Peak Sort Space Used").and_then(Value::as_u64).unwrap_or_default(),
        });
        let on_disk = self.map.get("Sort Space Type").and_then(Value::as_str) == Some("Disk");
        let of_sort = on_disk.then(|| Spill {
            method: self.optional_text("Sort Method").unwrap_or_default(),
            kilobytes: self.map.get("Sort Space Used").and_then(Value::as_u64).unwrap_or_default(),
        });
        of_sort.or(of_groups)
    }

    fn conflict(&self) -> Result<Option<Conflict>, ExplainError> {
        let Some(resolution) = self.optional_text("Conflict Resolution") else { return Ok(None) };
        let arbiters = self.list("Conflict Arbiter Indexes").iter();
        Ok(Some(Conflict {
            arbiters: arbiters.filter_map(Value::as_str).map(str::to_owned).collect(),
            inserted: self.number("Tuples Inserted")? as u64,
            conflicting: self.number("Conflicting Tuples")? as u64,
            left_alone: self.per_loop("Rows Removed by Conflict Filter", 1),
            updates: resolution == "UPDATE",
        }))
    }

    fn merged(&self) -> Option<u64> {
        if self.map.get("Operation").and_then(Value::as_str) != Some("Merge") {
            return None;
        }
        let counted = ["Tuples Inserted", "Tuples Updated", "Tuples Deleted"];
        Some(counted.into_iter().map(|key| self.per_loop(key, 1)).sum())
    }
}
