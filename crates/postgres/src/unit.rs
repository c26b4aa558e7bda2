//! One attempt at a unit of work on one connection: BEGIN and COMMIT where they belong, watched against its budget.

use crate::Conn;
use crate::alarm::Alarm;
use crate::conn::was_rolled_back;
use crate::error::Error;
use crate::operation::{Kind, Operation};
use crate::pool::{Checkout, Pooled};
use crate::work::UnitOfWork;
use diesel_async::{AnsiTransactionManager, TransactionManager};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use steadfast_resilience::Deadline;

/// What one attempt is for, and until when.
///
/// Handed on by reference: each future on the way keeps what it is given for as long as it lives, and the size of them
/// all is copied for every unit of work.
pub(crate) struct Budget {
    pub(crate) operation: &'static Operation,
    pub(crate) checkout: Checkout,
    /// What the deadline was made of, for its error.
    pub(crate) limit: Duration,
}

/// Runs `work` until the deadline. A future that is dropped, here or by the deadline, leaves no transaction behind: the
/// connection goes back with an answer outstanding, and the pool ends it.
pub(crate) async fn run<T, F>(conn: &mut Pooled, budget: &Budget, work: &F) -> Result<T, Error>
where
    F: UnitOfWork<T>,
    T: Send,
{
    let mut alarm = conn.take_alarm().unwrap_or_else(|| Alarm::new(budget.checkout.now));
    conn.work_for(budget.operation);
    let committing = AtomicBool::new(false);
    let outcome = {
        let attempt = pin!(attempt(conn, budget, &committing, work));
        alarm.limit(budget.checkout.deadline.instant(), attempt).await
    };
    conn.keep_alarm(alarm);
    watch(budget.operation, conn.statements());
    match outcome {
        Some(outcome) => outcome,
        None if committing.load(Relaxed) => Err(Error::CommitUnknown),
        None => Err(Error::Deadline { limit: budget.limit, silent: conn.silent_for() }),
    }
}

/// Runs `work`, between BEGIN and COMMIT where it needs them.
async fn attempt<T, F>(
    conn: &mut Conn,
    budget: &Budget,
    committing: &AtomicBool,
    work: &F,
) -> Result<T, Error>
where
    F: UnitOfWork<T>,
    T: Send,
{
    let Budget { operation, checkout, .. } = budget;
    match opening(operation, checkout.deadline, conn.is_pooled_by_transaction()) {
        None => work(conn).await.map_err(|error| conn.classify(error)),
        // Several times as large as a read, whose futures would all have its size.
        Some(begin) => Box::pin(transaction(conn, &begin, operation, committing, work)).await,
    }
}

/// Runs `work` between `begin` and COMMIT.
async fn transaction<T, F>(
    conn: &mut Conn,
    begin: &str,
    operation: &Operation,
    committing: &AtomicBool,
    work: &F,
) -> Result<T, Error>
where
    F: UnitOfWork<T>,
    T: Send,
{
    AnsiTransactionManager::begin_transaction_sql(conn, begin).await.map_err(|error| conn.classify(error))?;
    match work(conn).await {
        Ok(value) => commit(conn, operation, committing).await.map(|()| value),
        Err(error) => Err(roll_back(conn, error).await),
    }
}

/// The message that opens the transaction, with its settings; `None` when each statement stands for itself, unless
/// there is `always` a transaction.
fn opening(operation: &Operation, deadline: Deadline, always: bool) -> Option<String> {
    match operation.kind() {
        Kind::Read => always.then(|| "BEGIN READ ONLY".to_owned()),
        Kind::Snapshot => Some("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY".to_owned()),
        // At least 1 ms: zero would mean no limit.
        Kind::Write => {
            let left = deadline.remaining().as_millis().max(1);
            Some(format!("BEGIN; SET LOCAL statement_timeout = {left}"))
        }
    }
}

/// Commits, and makes sure that the server did. From here on a lost connection leaves a writer in doubt.
async fn commit(conn: &mut Conn, operation: &Operation, committing: &AtomicBool) -> Result<(), Error> {
    committing.store(operation.kind() == Kind::Write, Relaxed);
    let sent_before = conn.wire_counts().simple;
    let answer = AnsiTransactionManager::commit_transaction(conn).await;
    let Err(error) = answer else { return Ok(()) };
    if was_rolled_back(&error) {
        let (sqlstate, statement) = (conn.last_sqlstate(), conn.last_failed_statement());
        return Err(Error::RolledBack { sqlstate, statement });
    }
    match conn.classify(error) {
        // A session that was over before COMMIT left takes nothing to the server any more.
        error if conn.wire_counts().simple == sent_before => Err(error),
        error if operation.kind() == Kind::Write && error.is_lost_session() => Err(Error::CommitUnknown),
        error => Err(error),
    }
}

/// Rolls back after `error` and returns it. A failed rollback needs no care: the pool closes the connection.
async fn roll_back(conn: &mut Conn, error: diesel::result::Error) -> Error {
    let error = conn.classify(error);
    _ = AnsiTransactionManager::rollback_transaction(conn).await;
    error
}

/// Reports a unit of work that sent more statements than its operation declares.
fn watch(operation: &Operation, statements: u32) {
    let (name, limit) = (operation.name(), operation.statement_limit());
    if statements > limit {
        metrics::counter!("db_operation_over_budget_total", "operation" => name).increment(1);
        tracing::warn!(operation = name, statements, limit, "more statements than the operation declares");
    }
}
