//! The rows of the report: a statement of an operation, all its cases together.

use crate::measure::Measurement;
use std::collections::BTreeMap;
use steadfast_plans::{OperationRow, StatementOutcome};

/// A row for each statement of each operation; `small` and `large` are the same cases at two sizes.
pub(crate) fn rows(small: &[Measurement], large: &[Measurement]) -> Vec<OperationRow> {
    let mut rows = BTreeMap::new();
    for one in small {
        for (place, statement) in one.judged.statements.iter().enumerate() {
            let row = row_of(&mut rows, one, place);
            row.cases += 1;
            take(row, statement);
        }
    }
    for one in large {
        for (place, statement) in one.judged.statements.iter().enumerate() {
            let row = row_of(&mut rows, one, place);
            row.buffers_at_ten = row.buffers_at_ten.max(Some(statement.buffers));
            take_plan_kind(row, statement);
            take_indexes(row, statement);
        }
    }
    rows.into_values().collect()
}

type Rows<'a> = BTreeMap<(&'a str, usize), OperationRow>;

fn row_of<'a, 'b>(rows: &'b mut Rows<'a>, one: &'a Measurement, place: usize) -> &'b mut OperationRow {
    let contract = &one.judged.contract;
    rows.entry((&contract.operation, place)).or_insert_with(|| OperationRow {
        operation: contract.operation.clone(),
        statement: place + 1,
        may_grow: contract.reads.as_ref().map(|(_, reason)| reason.clone()),
        ..OperationRow::default()
    })
}

/// Takes over what the report shows of a statement at the smaller size.
fn take(row: &mut OperationRow, statement: &StatementOutcome) {
    if row.shape.is_empty() || statement.buffers > row.buffers {
        row.buffers = statement.buffers;
        row.shape.clone_from(&statement.shape);
    }
    row.wal_bytes = row.wal_bytes.max(statement.wal_bytes);
    take_indexes(row, statement);
}

fn take_indexes(row: &mut OperationRow, statement: &StatementOutcome) {
    row.indexes.extend(statement.indexes().into_iter().cloned());
    row.indexes.sort();
    row.indexes.dedup();
}

fn take_plan_kind(row: &mut OperationRow, statement: &StatementOutcome) {
    let Some(kind) = &statement.plan_kind else { return };
    let kind = if kind.is_generic { "generic" } else { "custom" };
    match &*row.plan_kind {
        "" => row.plan_kind = kind.to_owned(),
        same if same == kind => {}
        _ => row.plan_kind = "mixed".to_owned(),
    }
}
