//! Plans of several versions, and plans with missing fields.

use super::{Explained, Join};
use serde_json::{Value, json};

fn node(kind: &str, more: Value) -> Value {
    let mut node = json!({
        "Node Type": kind, "Plan Rows": 10, "Actual Rows": 2, "Actual Loops": 1, "Shared Hit Blocks": 3,
        "Shared Read Blocks": 1, "Temp Written Blocks": 0, "WAL Bytes": 0, "Something New": [1],
    });
    let (Some(map), Value::Object(more)) = (node.as_object_mut(), more) else { panic!("objects") };
    map.extend(more);
    node
}

fn parse(plan: Value) -> Result<Explained, String> {
    let answer = json!([{ "Plan": plan, "Query Identifier": -5, "Triggers": [] }]);
    Explained::parse(&answer).map_err(|error| error.to_string())
}

fn scan(more: Value) -> Value {
    let mut scan = node("Seq Scan", json!({ "Schema": "public", "Relation Name": "books" }));
    let (Some(map), Value::Object(more)) = (scan.as_object_mut(), more) else { panic!("objects") };
    map.extend(more);
    scan
}

#[test]
fn multiplies_averages_by_loops() {
    let filtered =
        json!({ "Filter": "(a = 1)", "Rows Removed by Filter": 1.5, "Actual Rows": 0.25, "Actual Loops": 8 });
    let explained = parse(scan(filtered)).expect("a plan");
    let filter = explained.plan.filter.as_ref().expect("a filter");
    assert_eq!((explained.plan.rows(), filter.removed, explained.found()), (2, 12, true));
    assert_eq!((explained.buffers(), explained.query_id), (4, Some(-5)));
}

#[test]
fn rejects_plans_without_required_fields() {
    for (key, plan) in [
        ("Index Name", node("Index Scan", json!({ "Schema": "s", "Relation Name": "r" }))),
        ("Relation Name", node("Seq Scan", json!({ "Schema": "s" }))),
        (
            "Heap Fetches",
            node("Index Only Scan", json!({ "Schema": "s", "Relation Name": "r", "Index Name": "i" })),
        ),
        ("Rows Removed by Filter", scan(json!({ "Filter": "(a = 1)" }))),
        ("Tuples Inserted", node("ModifyTable", json!({ "Conflict Resolution": "NOTHING" }))),
        ("Shared Read Blocks", scan(json!({ "Shared Read Blocks": null }))),
        ("WAL Bytes", node("Result", json!({ "WAL Bytes": "12" }))),
    ] {
        let error = parse(plan).expect_err(key);
        assert!(error.starts_with(&format!("`{key}` is missing")), "{error}");
    }
    let no_plan = Explained::parse(&json!([])).expect_err("no plan").to_string();
    assert!(no_plan.contains("`[0]`"), "{no_plan}");
}

#[test]
fn counts_changed_rows_as_command_tag() {
    let child = |rows: u64| node("Result", json!({ "Actual Rows": rows, "Parent Relationship": "Outer" }));
    let looked_up = node("Result", json!({ "Actual Rows": 90, "Parent Relationship": "InitPlan" }));
    let update = node("ModifyTable", json!({ "Actual Rows": 0, "Plans": [looked_up, child(7)] }));
    let explained = parse(update).expect("a plan");
    assert_eq!((explained.rows(), explained.plan.children[0].join), (7, Join::SubPlan));
    let upsert = |resolution: &str| {
        let counts = json!({
            "Conflict Resolution": resolution, "Conflict Arbiter Indexes": ["books_pkey"], "Tuples Inserted": 3,
            "Conflicting Tuples": 2, "Rows Removed by Conflict Filter": 1, "Plans": [child(5)],
        });
        parse(node("ModifyTable", counts)).expect("a plan").rows()
    };
    assert_eq!((upsert("NOTHING"), upsert("UPDATE")), (3, 4));
    let merge = json!({ "Operation": "Merge", "Tuples Inserted": 1, "Tuples Updated": 2, "Tuples Deleted": 3, "Tuples Skipped": 4 });
    assert_eq!(parse(node("ModifyTable", merge)).expect("a plan").rows(), 6);
}

#[test]
fn finds_disk_sorts_of_both_sort_nodes() {
    let plain = json!({ "Sort Method": "external merge", "Sort Space Used": 88, "Sort Space Type": "Disk" });
    let groups = json!({ "Pre-sorted Groups": { "Sort Space Disk": { "Peak Sort Space Used": 99 } } });
    let spilled = |more| parse(node("Sort", more)).expect("a plan").plan.spill.map(|spill| spill.kilobytes);
    assert_eq!((spilled(plain), spilled(groups)), (Some(88), Some(99)));
    assert_eq!(
        spilled(json!({ "Sort Method": "quicksort", "Sort Space Used": 25, "Sort Space Type": "Memory" })),
        None
    );
}
