//! One attempt at a unit of work on one connection: its transaction, its deadline, its statement budget.

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

/// The longest timeout that PostgreSQL accepts, in milliseconds.
const LONGEST_TIMEOUT: u128 = i32::MAX as u128;

/// First key of the advisory locks that contended operations take. The second is the hash of the name.
const CONTENTION_LOCKS: i32 = 0x57EA_DFA5;

/// Maximum time for giving such a lock back.
const UNLOCK_LIMIT: Duration = Duration::from_secs(1);

/// What one attempt is for, and until when.
///
/// Handed on by reference: each future on the way keeps what it is given for as long as it lives, and the size of them
/// all is copied for every unit of work.
pub(crate) struct Budget {
    pub(crate) operation: &'static AnyOperation,
    pub(crate) checkout: Checkout,
    /// What the deadline was made of, for its error.
    pub(crate) limit: Duration,
    /// Whether the operation has deadlocked lately.
    pub(crate) is_contended: bool,
}

/// What the outcome of an attempt depends on if it is cut short.
#[derive(Default)]
struct Progress {
    /// Boundaries of transactions that the connection had seen when this one was open.
    opened_at: AtomicU32,
    is_open: AtomicBool,
    is_committing: AtomicBool,
}

/// Runs `work` until the deadline. A future that is dropped, here or by the deadline, leaves no transaction behind: the
/// connection goes back with an answer outstanding, and the pool ends it.
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
    if outcome.is_some() && takes_turns(budget, conn) && conn.is_altered() {
        Box::pin(give_turn_back(conn, budget)).await;
    }
    watch(budget.operation, conn.statements());
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

/// Returns `error`, unless the unit of work has ended its transaction by itself, or may have.
fn check_control(conn: &Conn, progress: &Progress, error: Error) -> Error {
    let has_moved = conn.boundaries() != progress.opened_at.load(Relaxed);
    match progress.is_open.load(Relaxed) && (has_moved || conn.may_be_committing()) {
        true => Error::TransactionControl,
        false => error,
    }
}

/// Runs `work`, between BEGIN and COMMIT where it needs them.
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
        Some(begin) if takes_turns(budget, conn) => {
            Box::pin(take_turn(conn, budget.operation)).await.map_err(Abort::Database)?;
            Box::pin(transaction(conn, &begin, budget.operation, progress, work)).await
        }
        // Several times as large as a read, whose futures would all have its size.
        Some(begin) => Box::pin(transaction(conn, &begin, budget.operation, progress, work)).await,
    }
}

/// Returns true if the transaction has to wait for those of other processes. Where each transaction may meet another
/// session of the server, no session can hold a lock.
fn takes_turns(budget: &Budget, conn: &Conn) -> bool {
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

/// Waits for the turn of `operation` among all processes: the gate in front of it knows its own process alone.
///
/// The lock is taken outside of the transaction, whose isolation level and snapshot are the closure's business.
async fn take_turn(conn: &mut Conn, operation: &AnyOperation) -> Result<(), Error> {
    let key = hash(operation.name()).cast_signed();
    let lock = format!("SELECT pg_advisory_lock({CONTENTION_LOCKS}, {key})");
    conn.batch_execute(&lock).await.map_err(|error| conn.classify(error))
}

/// Gives the turn back. If that fails, the session counts as altered, and the pool ends it and the lock with it.
async fn give_turn_back(conn: &mut Conn, budget: &Budget) {
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
    // The session's own timeout would end a statement that has more time than that.
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

/// Commits, and makes sure that the server did. From here on a lost connection leaves a writer in doubt.
async fn commit(conn: &mut Conn, operation: &AnyOperation, progress: &Progress) -> Result<(), Error> {
    let is_write = operation.kind() == Kind::Write;
    let finished = conn.check_finished(0).is_ok();
    if !is_write && !finished {
        // Nothing depends on how a transaction ends that has only read.
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
        // A session that was over before COMMIT left takes nothing to the server any more.
        error if conn.wire_counts().simple == sent_before => Err(error),
        error if is_write && finished && error.is_lost_session() => Err(Error::CommitUnknown),
        error => Err(error),
    }
}

/// Rolls back after `error` and returns it. A failed rollback needs no care: the pool closes the connection.
async fn roll_back<C>(conn: &mut Conn, progress: &Progress, error: Abort<C, Error>) -> Abort<C, Error> {
    let control = check_control(conn, progress, Error::Unfinished);
    if matches!(control, Error::TransactionControl) {
        return Abort::Database(control);
    }
    _ = conn.roll_back_to(0).await;
    error
}

/// Reports a unit of work that sent more statements than its operation declares.
fn watch(operation: &AnyOperation, statements: u32) {
    let (name, limit) = (operation.name(), operation.statement_limit());
    if statements > limit {
        metrics::counter!("db_operation_over_budget_total", "operation" => name).increment(1);
        tracing::warn!(operation = name, statements, limit, "more statements than the operation declares");
    }
}
