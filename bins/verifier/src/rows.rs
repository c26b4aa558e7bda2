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
            row.take(statement);
        }
    }
    for one in large {
        for (place, statement) in one.judged.statements.iter().enumerate() {
            let row = row_of(&mut rows, one, place);
            row.buffers_at_ten = row.buffers_at_ten.max(Some(statement.buffers));
            row.take_plan_kind(statement);
            row.take_indexes(statement);
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

/// What a row takes over from a statement.
trait Take {
    fn take(&mut self, statement: &StatementOutcome);
    fn take_indexes(&mut self, statement: &StatementOutcome);
    fn take_plan_kind(&mut self, statement: &StatementOutcome);
}

impl Take for OperationRow {
    fn take(&mut self, statement: &StatementOutcome) {
        if self.shape.is_empty() || statement.buffers > self.buffers {
            self.buffers = statement.buffers;
            self.shape.clone_from(&statement.shape);
        }
        self.wal_bytes = self.wal_bytes.max(statement.wal_bytes);
        self.take_indexes(statement);
    }

    fn take_indexes(&mut self, statement: &StatementOutcome) {
        self.indexes.extend(statement.indexes().into_iter().cloned());
        self.indexes.sort();
        self.indexes.dedup();
    }

    fn take_plan_kind(&mut self, statement: &StatementOutcome) {
        let Some(kind) = &statement.plan_kind else { return };
        let kind = if kind.is_generic { "generic" } else { "custom" };
        match &*self.plan_kind {
            "" => self.plan_kind = kind.to_owned(),
            same if same == kind => {}
            _ => self.plan_kind = "mixed".to_owned(),
        }
    }
}
