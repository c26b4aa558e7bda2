//! Sections of the operations: a table of figures, and the access paths of each statement.

use super::super::OperationRow;
use super::super::table::{Align, table};
use super::{item, or_dash, paragraph};

use Align::{Left, Right};

pub(super) fn operations(rows: &[OperationRow]) -> String {
    let of_operation = rows.chunk_by(|a, b| a.operation == b.operation);
    of_operation.map(operation).collect::<Vec<_>>().join("\n")
}

fn operation(rows: &[OperationRow]) -> String {
    let name = rows.first().map_or("", |row| &row.operation);
    let mut reasons: Vec<_> = rows.iter().filter_map(|row| row.may_grow.as_ref()).collect();
    reasons.dedup();
    let reasons = reasons.iter().map(|reason| paragraph(&format!("May grow: {reason}.")) + "\n");
    let reads = rows.iter().map(|row| item(&format!("{}. ", row.statement), &reads(row)));
    format!("### {name}\n\n{}{}\n{}", reasons.collect::<String>(), figures(rows), reads.collect::<String>())
}

fn figures(rows: &[OperationRow]) -> String {
    let columns = [
        ("statement", Right),
        ("cases", Right),
        ("pages", Right),
        ("10x", Right),
        ("plan", Left),
        ("WAL", Right),
    ];
    let cells = |row: &OperationRow| {
        vec![
            row.statement.to_string(),
            row.cases.to_string(),
            row.buffers.to_string(),
            or_dash(row.buffers_at_ten),
            row.plan_kind.clone(),
            row.wal_bytes.to_string(),
        ]
    };
    table(&columns, &rows.iter().map(cells).collect::<Vec<_>>())
}

/// Describes the access paths of a statement in the case that reads most, and other indexes that serve it.
fn reads(row: &OperationRow) -> String {
    let shape = short(&row.shape);
    let is_shown = |index: &&String| !shape.split([' ', ',']).any(|word| word == **index);
    let others: Vec<_> = row.indexes.iter().filter(is_shown).cloned().collect();
    if others.is_empty() { shape } else { format!("{shape}; in other cases by {}", others.join(", ")) }
}

/// Lists the nodes of a plan that read, sort or write, each once: leaves, sorts and ModifyTable.
fn short(shape: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    let mut rest = shape;
    while let Some(end) = rest.find(['(', ')', ',']) {
        let name = rest[..end].trim();
        let is_leaf = !rest[end..].starts_with('(');
        if (is_leaf || is_notable(name)) && !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
        rest = &rest[end + 1..];
    }
    let last = rest.trim();
    names.extend(Some(last).filter(|last| !last.is_empty()));
    names.join(", ")
}

fn is_notable(name: &str) -> bool {
    name.starts_with("ModifyTable") || name.ends_with("Sort")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_shape_has_scans_sorts_and_writes() {
        for (shape, expected) in [
            ("Index Scan a", "Index Scan a"),
            ("Limit (Sort (Bitmap Heap Scan (Bitmap Index Scan a)))", "Sort, Bitmap Index Scan a"),
            (
                "Limit (Nested Loop (Index Scan a, Limit (Index Scan a)), Seq Scan b)",
                "Index Scan a, Seq Scan b",
            ),
            ("ModifyTable b (Function Scan)", "ModifyTable b, Function Scan"),
        ] {
            assert_eq!(short(shape), expected);
        }
    }
}
