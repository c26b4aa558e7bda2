//! One node of a plan. What a verdict rests on must be there; what nobody reads may be absent or new.

use crate::ExplainError;
use serde_json::{Map, Value};

/// The table that a node reads or changes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Relation {
    /// Its schema.
    pub schema: String,
    /// Its name: of the partition, where it is one.
    pub name: String,
}

/// A condition that was tried on rows that had been read already.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    /// The condition, for people.
    pub condition: String,
    /// The rows that it threw away, in all loops together.
    pub removed: u64,
}

/// How an INSERT meets rows that are there already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The indexes that find them.
    pub arbiters: Vec<String>,
    /// Rows that were inserted.
    pub inserted: u64,
    /// Rows that were there.
    pub conflicting: u64,
    /// Of those, the rows that DO UPDATE's own condition left as they were.
    pub left_alone: u64,
    /// Whether the others were updated.
    pub updates: bool,
}

/// Rows that did not fit into memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spill {
    /// By which method.
    pub method: String,
    /// Kilobytes on disk.
    pub kilobytes: u64,
}

/// How a node's rows come to its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// As its input.
    Input,
    /// As a sub-plan, run once or once a row.
    SubPlan,
}

/// A node with all that is below it.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The server's name for it, e.g. `Index Scan`.
    pub kind: String,
    /// How its parent takes it.
    pub join: Join,
    /// The table that it reads or changes.
    pub relation: Option<Relation>,
    /// The index that it uses.
    pub index: Option<String>,
    /// What is looked up in the index.
    pub index_condition: Option<String>,
    /// The condition that is left over after the index, with what it threw away.
    pub filter: Option<Filter>,
    /// Rows that a lossy index or bitmap gave and the table refuted, in all loops together.
    pub removed_by_recheck: u64,
    /// Pairs of rows that a join compared and discarded, in all loops together.
    pub removed_by_join: u64,
    /// What a sort orders by.
    pub sort_key: Option<String>,
    /// What a ModifyTable does: `Insert`, `Update`, `Delete` or `Merge`.
    pub operation: Option<String>,
    /// Whether it is an aggregate without groups, which returns one row whatever it reads.
    pub is_plain_aggregate: bool,
    /// Rows that the planner expected of one loop.
    pub planned_rows: f64,
    /// Rows of one loop, on average.
    pub actual_rows: f64,
    /// How often it ran; 0 when it never did.
    pub loops: u64,
    /// For an index-only scan, the rows that were looked up in the table nevertheless.
    pub heap_fetches: u64,
    /// What a sort wrote to disk.
    pub spill: Option<Spill>,
    /// Pages touched, in memory or on disk, children included.
    pub buffers: u64,
    /// Pages written to temporary files, children included.
    pub temporary_written: u64,
    /// Bytes of write-ahead log, children included.
    pub wal_bytes: u64,
    /// For INSERT, how it meets rows that are there already.
    pub conflict: Option<Conflict>,
    /// For MERGE, the rows that it inserted, updated and deleted.
    pub merged: Option<u64>,
    /// The nodes below.
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

    /// This node and all below it, each before its children.
    pub fn walk(&self) -> Box<dyn Iterator<Item = &Self> + '_> {
        Box::new(std::iter::once(self).chain(self.children.iter().flat_map(Self::walk)))
    }

    /// Whether it ran at all.
    pub fn ran(&self) -> bool {
        self.loops > 0
    }

    /// Rows of all loops together. Averages are rounded by the server, so with many loops it is not exact.
    pub fn rows(&self) -> u64 {
        (self.actual_rows * self.loops as f64).round() as u64
    }

    /// Whether it reads a table, itself: a bitmap's index scan reads for the heap scan above it.
    pub fn is_scan(&self) -> bool {
        self.relation.is_some() && self.kind.ends_with("Scan")
    }

    /// Returns true if it found something: for an aggregate without groups, which returns a row in any case, if it had
    /// rows to add up, and for an expression if a scan of its sub-plans found rows.
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

    /// Number of rows that it returned, or changed if it is a ModifyTable.
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

/// The fields of one JSON object, and what it is called when one is missing.
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

    /// A 64-bit number that the server prints unsigned from 16 on and signed before.
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

    /// Where a condition is tried, the server says what it removed, also when that was nothing.
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

    /// An incremental sort tells of its groups, each with a sort of its own.
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
