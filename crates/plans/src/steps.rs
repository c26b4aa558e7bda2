//! Steps of a replay, in order.

use std::collections::HashMap;
use steadfast_postgres::{Captured, CapturedStatement, StatementKind, TransactionStatus};

/// Savepoint that replaces a transaction of the run, because a replay is one transaction.
const UNIT: &str = "steadfast_unit";

/// Command tags of statements that EXPLAIN supports.
const EXPLAINED: [&str; 5] = ["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE"];

/// Step of a replay.
#[derive(Debug)]
pub(crate) enum Step<'a> {
    /// A statement that is executed without EXPLAIN.
    Plain(&'a CapturedStatement, String),
    /// A statement that is explained.
    Explain(&'a CapturedStatement),
    /// A statement that cannot be repeated, with the reason.
    Refused(&'a CapturedStatement, &'static str),
}

/// Returns the steps of a replay. Transactions of concurrent sessions run one after another, in the order in which they
/// began.
pub(crate) fn of(captured: &Captured) -> Vec<Step<'_>> {
    units(captured).into_iter().flatten().filter_map(step).collect()
}

fn units(captured: &Captured) -> Vec<Vec<&CapturedStatement>> {
    let mut units: Vec<Vec<&CapturedStatement>> = Vec::new();
    let mut open: HashMap<u64, usize> = HashMap::new();
    for statement in &captured.statements {
        let unit = open.get(&statement.session).copied().unwrap_or_else(|| {
            units.push(Vec::new());
            units.len() - 1
        });
        units[unit].push(statement);
        match statement.after {
            Some(TransactionStatus::Idle) => _ = open.remove(&statement.session),
            Some(TransactionStatus::Open | TransactionStatus::Failed) => {
                _ = open.insert(statement.session, unit)
            }
            None => {}
        }
    }
    units
}

fn step(statement: &CapturedStatement) -> Option<Step<'_>> {
    if statement.error.is_some() {
        return None;
    }
    match statement.kind() {
        StatementKind::Ping | StatementKind::TypeLookup => None,
        StatementKind::Transaction => Some(Step::Plain(statement, transaction(statement))),
        StatementKind::Setting => Some(Step::Plain(statement, without_timeouts(&statement.sql))),
        StatementKind::Own => Some(own(statement)),
    }
}

fn own(statement: &CapturedStatement) -> Step<'_> {
    let command = statement.tags.first().map(|tag| tag.split(' ').next().unwrap_or_default());
    match command {
        _ if statement.tags.len() > 1 => Step::Refused(statement, "several statements in one message"),
        None => Step::Explain(statement),
        Some(command) if EXPLAINED.contains(&command) => Step::Explain(statement),
        Some("COPY") => Step::Refused(statement, "COPY, whose rows are not captured"),
        Some(_) if statement.parameters.is_empty() => Step::Plain(statement, statement.sql.to_string()),
        Some(_) => Step::Refused(statement, "a command with parameters that has no plan"),
    }
}

/// Returns the SQL for a transaction command of the run, within the transaction of the replay.
fn transaction(statement: &CapturedStatement) -> String {
    let tag = statement.tags.first().map_or("", |tag| tag.as_str());
    match (tag, statement.after) {
        ("BEGIN" | "START TRANSACTION", _) => {
            let settings = statement.sql.split_once(';').map_or("", |(_, settings)| settings);
            format!("SAVEPOINT {UNIT}; {}", without_timeouts(settings))
        }
        ("COMMIT", _) => format!("RELEASE SAVEPOINT {UNIT}"),
        ("ROLLBACK", Some(TransactionStatus::Idle) | None) => {
            format!("ROLLBACK TO SAVEPOINT {UNIT}; RELEASE SAVEPOINT {UNIT}")
        }
        _ => statement.sql.to_string(),
    }
}

/// Applies settings, which plans may depend on, without time limits, which EXPLAIN could exceed.
fn without_timeouts(settings: &str) -> String {
    let settings = settings.trim().trim_end_matches(';');
    if settings.is_empty() {
        return String::new();
    }
    format!("{settings}; SET LOCAL statement_timeout = '600s'; SET LOCAL lock_timeout = '60s'")
}
