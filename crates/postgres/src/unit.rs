//! One attempt at a unit of work on one connection: transaction, deadline and statement budget.

use crate::Conn;
use crate::UnitOfWork;
use crate::abort::{Abort, WorkError};
use crate::deadline_timer::DeadlineTimer;
use crate::error::Error;
use crate::operation::{AnyOperation, Kind};
use crate::operation_state::hash;
use crate::pool::{Checkout, Pooled};
use crate::statement_count;
use diesel_async::SimpleAsyncConnection;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::Duration;
use tokio::time::timeout;

/// Longest timeout that PostgreSQL accepts, in milliseconds.
const LONGEST_TIMEOUT: u128 = i32::MAX as u128;

/// First key of the advisory locks of contended operations. The second is the hash of the operation's name.
const CONTENTION_LOCKS: i32 = 0x57EA_DFA5;

/// Time limit for releasing such a lock.
const UNLOCK_LIMIT: Duration = Duration::from_secs(1);

/// Operation and limits of one attempt.
///
/// Passed by reference: each future on the way would otherwise store it, and their total size is copied for every unit
/// of work.
pub(crate) struct Budget {
    pub(crate) operation: &'static AnyOperation,
    pub(crate) checkout: Checkout,
    /// Time limit of the unit of work, for the error.
    pub(crate) limit: Duration,
    /// True if the operation has recently deadlocked.
    pub(crate) is_contended: bool,
}

/// Progress of an attempt, which determines the error if the deadline ends it.
#[derive(Default)]
struct Progress {
    /// Value of [`Conn::boundaries`] after the transaction was opened.
    opened_at: AtomicU32,
    is_open: AtomicBool,
    is_committing: AtomicBool,
}

/// Runs `work` until the deadline. A future that is dropped, by the caller or the deadline, leaves no transaction
/// behind: the connection is returned with an outstanding answer, and the pool closes it.
pub(crate) async fn run<T, E, F>(
    conn: &mut Pooled,
    budget: &Budget,
    work: &F,
) -> Result<T, Abort<E::Caller, Error>>
where
    F: UnitOfWork<T, E>,
    E: WorkError,
    T: Send,
{
    let mut timer = conn.take_timer().unwrap_or_else(|| DeadlineTimer::new(budget.checkout.now));
    conn.set_operation(budget.operation);
    let progress = Progress::default();
    let outcome = {
        let attempt = pin!(attempt(conn, budget, &progress, work));
        timer.limit(budget.checkout.deadline.instant(), attempt).await
    };
    conn.put_timer(timer);
    if outcome.is_some() && needs_contention_lock(budget, conn) && conn.is_altered() {
        Box::pin(release_contention_lock(conn, budget)).await;
    }
    check_statement_limit(budget.operation, conn.statements());
    statement_count::add(conn.statements());
    outcome.unwrap_or_else(|| Err(Abort::Database(cut_short(conn, budget, &progress))))
}

/// Returns the error of an attempt that the deadline ended.
fn cut_short(conn: &Conn, budget: &Budget, progress: &Progress) -> Error {
    if progress.is_committing.load(Relaxed) {
        return Error::CommitUnknown;
    }
    check_control(conn, progress, Error::Deadline { limit: budget.limit, silent: conn.silent_for() })
}

/// Returns [`Error::TransactionControl`] if the unit of work has ended its transaction itself or may have, else
/// `error`.
fn check_control(conn: &Conn, progress: &Progress, error: Error) -> Error {
    let has_moved = conn.boundaries() != progress.opened_at.load(Relaxed);
    match progress.is_open.load(Relaxed) && (has_moved || conn.may_be_committing()) {
        true => Error::TransactionControl,
        false => error,
    }
}

/// Runs `work`, between BEGIN and COMMIT if needed.
async fn attempt<T, E, F>(
    conn: &mut Conn,
    budget: &Budget,
    progress: &Progress,
    work: &F,
) -> Result<T, Abort<E::Caller, Error>>
where
    F: UnitOfWork<T, E>,
    E: WorkError,
    T: Send,
{
    match opening(budget, conn) {
        None => work(conn).await.map_err(|error| classify(conn, error)),
        Some(begin) if needs_contention_lock(budget, conn) => {
            Box::pin(acquire_contention_lock(conn, budget.operation)).await.map_err(Abort::Database)?;
            Box::pin(transaction(conn, &begin, budget.operation, progress, work)).await
        }
        // Boxed because it is several times as large as a read, whose futures would otherwise have its size.
        Some(begin) => Box::pin(transaction(conn, &begin, budget.operation, progress, work)).await,
    }
}

/// Returns true if the transaction must wait for those of other processes. Not possible behind PgBouncer in transaction
/// mode, where no session can hold a lock.
fn needs_contention_lock(budget: &Budget, conn: &Conn) -> bool {
    budget.is_contended && !conn.is_pooled_by_transaction()
}

/// Runs `work` between `begin` and COMMIT.
async fn transaction<T, E, F>(
    conn: &mut Conn,
    begin: &str,
    operation: &AnyOperation,
    progress: &Progress,
    work: &F,
) -> Result<T, Abort<E::Caller, Error>>
where
    F: UnitOfWork<T, E>,
    E: WorkError,
    T: Send,
{
    conn.open_level(begin).await.map_err(|error| Abort::Database(conn.classify(error)))?;
    progress.opened_at.store(conn.boundaries(), Relaxed);
    progress.is_open.store(true, Relaxed);
    match work(conn).await {
        Ok(value) => match commit(conn, operation, progress).await {
            Ok(()) => Ok(value),
            Err(error) => Err(Abort::Database(error)),
        },
        Err(error) => Err(roll_back(conn, progress, classify(conn, error)).await),
    }
}

/// Acquires the advisory lock of `operation`, which serializes it across processes. The contention gate covers only
/// this process.
///
/// The lock is acquired before the transaction begins, so that it affects neither its isolation level nor its snapshot.
async fn acquire_contention_lock(conn: &mut Conn, operation: &AnyOperation) -> Result<(), Error> {
    let key = hash(operation.name()).cast_signed();
    let lock = format!("SELECT pg_advisory_lock({CONTENTION_LOCKS}, {key})");
    conn.batch_execute(&lock).await.map_err(|error| conn.classify(error))
}

/// Releases the lock. If that fails, the session counts as altered, and the pool closes it and thereby releases the
/// lock.
async fn release_contention_lock(conn: &mut Conn, budget: &Budget) {
    let key = hash(budget.operation.name()).cast_signed();
    let limit = UNLOCK_LIMIT.min(budget.checkout.deadline.remaining());
    let unlock = format!("SELECT pg_advisory_unlock({CONTENTION_LOCKS}, {key})");
    if matches!(timeout(limit, conn.batch_execute(&unlock)).await, Ok(Ok(()))) {
        conn.undo_alteration();
    }
}

fn classify<E: WorkError>(conn: &Conn, error: E) -> Abort<E::Caller, Error> {
    match error.split() {
        Abort::Caller(error) => Abort::Caller(error),
        Abort::Database(error) => Abort::Database(conn.classify(error)),
    }
}

/// Returns the message that opens the transaction, with its settings; `None` for autocommit mode.
fn opening(budget: &Budget, conn: &Conn) -> Option<String> {
    // At least 1 ms: zero would mean no limit.
    let limit = || budget.checkout.deadline.remaining().as_millis().clamp(1, LONGEST_TIMEOUT);
    // The session's own timeout would end statements that may take longer.
    let is_long = !conn.statement_timeout().is_zero() && budget.limit > conn.statement_timeout();
    let begin = match budget.operation.kind() {
        Kind::Read if is_long || conn.is_pooled_by_transaction() => "BEGIN READ ONLY",
        Kind::Read => return None,
        Kind::Snapshot => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        Kind::Write => return Some(format!("BEGIN; SET LOCAL statement_timeout = {}", limit())),
    };
    Some(match is_long {
        true => format!("{begin}; SET LOCAL statement_timeout = {}", limit()),
        false => begin.to_owned(),
    })
}

/// Commits and verifies that the server did. From here on, a lost connection makes the outcome of a write unknown.
async fn commit(conn: &mut Conn, operation: &AnyOperation, progress: &Progress) -> Result<(), Error> {
    let is_write = operation.kind() == Kind::Write;
    let finished = conn.check_finished(0).is_ok();
    if !is_write && !finished {
        // The outcome of a read-only transaction does not matter.
        _ = conn.roll_back_to(0).await;
        return Ok(());
    }
    if is_write && conn.boundaries() != progress.opened_at.load(Relaxed) {
        return Err(Error::TransactionControl);
    }
    progress.is_committing.store(is_write && finished, Relaxed);
    let sent_before = conn.wire_counts().simple;
    let Err(error) = conn.commit_level(0).await else { return Ok(()) };
    match conn.classify(error) {
        // If the session had ended before COMMIT was sent, nothing was committed.
        error if conn.wire_counts().simple == sent_before => Err(error),
        error if is_write && finished && error.is_lost_session() => Err(Error::CommitUnknown),
        error => Err(error),
    }
}

/// Rolls back after `error` and returns it. If the rollback fails, the pool closes the connection.
async fn roll_back<C>(conn: &mut Conn, progress: &Progress, error: Abort<C, Error>) -> Abort<C, Error> {
    let control = check_control(conn, progress, Error::Unfinished);
    if matches!(control, Error::TransactionControl) {
        return Abort::Database(control);
    }
    _ = conn.roll_back_to(0).await;
    error
}

/// Logs and counts a unit of work that sent more statements than its operation declares.
fn check_statement_limit(operation: &AnyOperation, statements: u32) {
    let (name, limit) = (operation.name(), operation.statement_limit());
    if statements > limit {
        metrics::counter!("db_operation_over_budget_total", "operation" => name).increment(1);
        tracing::warn!(operation = name, statements, limit, "more statements than the operation declares");
    }
}
