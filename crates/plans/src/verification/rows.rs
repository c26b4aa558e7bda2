//! Rows of the report: one for each statement of an operation, and one for each case.

use super::measurement::Measurement;
use crate::{CaseRow, Finding, OperationRow, StatementOutcome, growth};
use std::collections::BTreeMap;

/// Returns a row for each statement of each operation; `small` and `large` are the same cases at two sizes.
pub(super) fn rows(small: &[Measurement], large: &[Measurement]) -> Vec<OperationRow> {
    let mut rows = BTreeMap::new();
    for one in small {
        let same = one.at(large).map(|same| &same.judged.statements[..]).unwrap_or_default();
        for (position, statement) in one.judged.statements.iter().enumerate() {
            let row = row_of(&mut rows, one, position);
            row.cases += 1;
            add(row, statement, same.get(position));
        }
    }
    for one in large {
        for (position, statement) in one.judged.statements.iter().enumerate() {
            let row = row_of(&mut rows, one, position);
            add_plan_kind(row, statement);
            add_indexes(row, statement);
        }
    }
    rows.into_values().collect()
}

/// Returns a row for each case, with its statements at both sizes, and the findings of its growth.
pub(super) fn cases(small: &[Measurement], large: &[Measurement]) -> (Vec<CaseRow>, Vec<Finding>) {
    let mut findings = Vec::new();
    let case = |one: &Measurement| {
        let mut row = CaseRow {
            operation: one.judged.contract.operation.clone(),
            case: one.judged.case.clone(),
            statements: one.judged.statements.clone(),
            ..CaseRow::default()
        };
        if let Some(same) = one.at(large) {
            row.statements_at_ten.clone_from(&same.judged.statements);
            let (grown, of_growth) = growth(&one.judged, &same.judged);
            row.growth = grown;
            findings.extend(of_growth);
        }
        row
    };
    (small.iter().map(case).collect(), findings)
}

type Rows<'a> = BTreeMap<(&'a str, usize), OperationRow>;

fn row_of<'a, 'b>(rows: &'b mut Rows<'a>, one: &'a Measurement, position: usize) -> &'b mut OperationRow {
    let contract = &one.judged.contract;
    rows.entry((&contract.operation, position)).or_insert_with(|| OperationRow {
        operation: contract.operation.clone(),
        statement: position + 1,
        may_grow: contract.reads.as_ref().map(|(_, reason)| reason.clone()),
        ..OperationRow::default()
    })
}

/// Adds a case of a statement: its figures at the smaller size, and its pages at the larger one.
fn add(row: &mut OperationRow, statement: &StatementOutcome, at_ten: Option<&StatementOutcome>) {
    if row.cases == 1 || statement.buffers > row.buffers {
        row.buffers = statement.buffers;
        row.buffers_at_ten = at_ten.map(|statement| statement.buffers);
        row.shape.clone_from(&statement.shape);
    }
    row.wal_bytes = row.wal_bytes.max(statement.wal_bytes);
    add_indexes(row, statement);
}

fn add_indexes(row: &mut OperationRow, statement: &StatementOutcome) {
    row.indexes.extend(statement.indexes().into_iter().cloned());
    row.indexes.sort();
    row.indexes.dedup();
}

fn add_plan_kind(row: &mut OperationRow, statement: &StatementOutcome) {
    let Some(kind) = &statement.plan_kind else { return };
    let kind = if kind.is_generic { "generic" } else { "custom" };
    match &*row.plan_kind {
        "" => row.plan_kind = kind.to_owned(),
        same if same == kind => {}
        _ => row.plan_kind = "mixed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Captured, Contract, Judged, Rule, Run};

    fn measured(case: &str, pages: u64) -> Measurement {
        let contract = Contract::new("books.find");
        let statement = StatementOutcome { buffers: pages, ..StatementOutcome::default() };
        let judged = Judged {
            contract: contract.clone(),
            case: case.to_owned(),
            sent: 1,
            statements: vec![statement],
            findings: Vec::new(),
            notes: Vec::new(),
        };
        Measurement { run: Run::new(contract, case, Captured::default()), judged, is_heavy: false }
    }

    #[test]
    fn row_has_figures_of_case_that_reads_most_at_smaller_size() {
        let small = [measured("rare", 4), measured("common", 9), measured("absent", 2)];
        let large = [measured("absent", 90), measured("rare", 5), measured("common", 12)];
        let rows = rows(&small, &large);
        assert_eq!((rows[0].buffers, rows[0].buffers_at_ten, rows[0].cases), (9, Some(12), 3));
    }

    #[test]
    fn case_row_has_statements_of_both_sizes() {
        let (cases, findings) = cases(&[measured("rare", 4), measured("heavy", 9)], &[measured("rare", 400)]);
        let pages = |statements: &[StatementOutcome]| -> Vec<u64> {
            statements.iter().map(|statement| statement.buffers).collect()
        };
        assert_eq!((pages(&cases[0].statements), pages(&cases[0].statements_at_ten)), (vec![4], vec![400]));
        assert_eq!((cases[0].growth[0].large, cases[0].growth[0].bound), (400, 14));
        assert_eq!(findings.iter().map(|finding| finding.rule).collect::<Vec<_>>(), [Rule::Growth]);
        assert!(cases[1].statements_at_ten.is_empty() && cases[1].growth.is_empty());
    }
}
