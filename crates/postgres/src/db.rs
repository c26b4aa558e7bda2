//! The database handle.
//!
//! [`Db`] runs units of work: named operations with a deadline, a statement budget, retries and metrics.

use crate::Health;
use crate::UnitOfWork;
use crate::abort::{Abort, WorkError};
use crate::error::{Error, UrlError};
use crate::operation::{AnyOperation, Kind, Operation, Read, Write};
use crate::operation_state::{OperationRegistry, OperationState};
use crate::pool::{Checkout, Closed, Pool, PoolSettings};
use crate::unit::{self, Budget};
use diesel_async::SimpleAsyncConnection;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;
use steadfast_resilience::{Backoff, Breaker, BreakerConfig, Class, Classify, Deadline, Rejected, Retry};
use tokio::time::Instant;

/// Operation of [`Db::ping`].
const PING: Operation<Read> = Operation::read("internal.reach").statements(0);

/// Settings of a [`Db`].
#[derive(Clone, Debug)]
pub struct DbSettings {
    /// Settings of the pool.
    pub pool: PoolSettings,
    /// Circuit breaker settings. Defaults to opening for 30 s after 3 consecutive failures. While the breaker is open,
    /// the pool keeps probing the server and ends the open time as soon as it responds.
    pub breaker: BreakerConfig,
    /// Retry policy for deadlocks and serialization failures. Defaults to 3 retries after 0.1, 0.2 and 0.4 s with
    /// jitter.
    pub retry: Retry,
    /// Deadline for operations that do not declare their own. Defaults to 30 s.
    pub deadline: Duration,
    /// Threshold for logging a slow unit of work, for operations that do not declare their own. Defaults to 1 s.
    pub slow_after: Duration,
}

impl Default for DbSettings {
    fn default() -> Self {
        Self {
            pool: PoolSettings::default(),
            breaker: BreakerConfig::consecutive(3, Duration::from_secs(30)),
            retry: Retry::new(
                3,
                Backoff::exponential(Duration::from_millis(100), Duration::from_millis(400)),
            )
            .on(|class| class == Class::Deadlock),
            deadline: Duration::from_secs(30),
            slow_after: Duration::from_secs(1),
        }
    }
}

/// A database handle. Cheap to clone; all clones share the pool and the breaker.
#[derive(Clone, Debug)]
pub struct Db {
    pool: Pool,
    breaker: Arc<Breaker>,
    retry: Retry,
    deadline: Duration,
    slow_after: Duration,
    registry: Arc<OperationRegistry>,
    until: Option<Deadline>,
}

impl Db {
    /// Creates a handle for the database at `url`. Connections are opened on demand.
    ///
    /// # Errors
    /// Returns [`UrlError`] if the URL is invalid.
    pub fn new(url: &str, settings: DbSettings) -> Result<Self, UrlError> {
        let DbSettings { pool, breaker, retry, deadline, slow_after } = settings;
        let breaker = Arc::new(Breaker::new("database", breaker));
        let reached = Arc::downgrade(&breaker);
        let pool = Pool::new(url, pool, move || {
            if let Some(breaker) = reached.upgrade() {
                breaker.report_reachable();
            }
        })?;
        Ok(Self {
            pool,
            breaker,
            retry,
            deadline,
            slow_after,
            registry: Arc::new(OperationRegistry::new()),
            until: None,
        })
    }

    /// Runs a read-only unit of work.
    ///
    /// Statements run in autocommit mode unless the operation requests a snapshot. If the session is lost or out of
    /// date, `work` runs once more on a new session. It must therefore have no side effects; use [`Db::write`] for
    /// statements that modify data.
    ///
    /// # Errors
    /// Returns the error of `work`, or an [`Error`] describing why the unit could not run: no connection, an open
    /// breaker, or an expired deadline.
    pub async fn read<T, F>(&self, operation: &'static Operation<Read>, work: F) -> Result<T, Error>
    where
        F: UnitOfWork<T>,
        T: Send,
    {
        spanned(operation, pin!(self.run(operation, &work))).await.map_err(Abort::into_database)
    }

    /// Runs a writing unit of work in one transaction, and commits it if `work` returns `Ok`.
    ///
    /// `Ok` means that the server has committed the whole transaction. After a deadlock or serialization failure, the
    /// transaction is rolled back and `work` runs again from the start. If the session was out of date, `work` runs
    /// once more on a new session.
    ///
    /// # Errors
    /// Returns the error of `work`, or an [`Error`] describing why the unit could not run or commit. Nothing was
    /// stored, except that [`Error::CommitUnknown`] and [`Error::TransactionControl`] mean that it may have been.
    pub async fn write<T, F>(&self, operation: &'static Operation<Write>, work: F) -> Result<T, Error>
    where
        F: UnitOfWork<T>,
        T: Send,
    {
        spanned(operation, pin!(self.run(operation, &work))).await.map_err(Abort::into_database)
    }

    /// Runs a read-only unit of work that may fail with the caller's own error. See [`Db::read`] and [`Abort`].
    ///
    /// # Errors
    /// Returns the caller's error unchanged, or a database error as [`Db::read`] does.
    pub async fn try_read<T, E, F>(
        &self,
        operation: &'static Operation<Read>,
        work: F,
    ) -> Result<T, Abort<E, Error>>
    where
        F: UnitOfWork<T, Abort<E>>,
        T: Send,
        E: Send,
    {
        spanned(operation, pin!(self.run(operation, &work))).await
    }

    /// Runs a writing unit of work that may fail with the caller's own error. See [`Db::write`] and [`Abort`].
    ///
    /// # Errors
    /// Returns the caller's error unchanged after rolling back the transaction, or a database error as [`Db::write`]
    /// does.
    pub async fn try_write<T, E, F>(
        &self,
        operation: &'static Operation<Write>,
        work: F,
    ) -> Result<T, Abort<E, Error>>
    where
        F: UnitOfWork<T, Abort<E>>,
        T: Send,
        E: Send,
    {
        spanned(operation, pin!(self.run(operation, &work))).await
    }

    /// Returns a handle whose units of work also end by `deadline`, such as the deadline of the current request.
    #[must_use]
    pub fn within(&self, deadline: Deadline) -> Self {
        Self { until: Some(deadline), ..self.clone() }
    }

    /// Checks that the server responds, using an empty round trip.
    ///
    /// Call this before expensive work that would be wasted if the database turned out to be unreachable.
    ///
    /// # Errors
    /// Returns an [`Error`] if the server does not respond.
    pub async fn ping(&self) -> Result<(), Error> {
        self.read(&PING, async |conn| conn.batch_execute("").await).await
    }

    /// Returns a snapshot of the pool and the breaker. Uses no connection, so it works even if the pool is exhausted.
    pub fn health(&self) -> Health {
        Health { pool: self.pool.state(), breaker: self.breaker.snapshot() }
    }

    /// Returns the maximum number of open connections.
    pub(crate) fn ceiling(&self) -> u32 {
        let state = self.pool.state();
        state.size.saturating_add(state.max_overflow).max(1)
    }

    /// Closes the pool: stops accepting units of work, waits up to `limit` for running ones, and closes all sessions.
    /// See [`Pool::close`].
    pub async fn close(&self, limit: Duration) -> Closed {
        self.pool.close(limit).await
    }

    async fn run<T, E, F>(
        &self,
        operation: &'static AnyOperation,
        work: &F,
    ) -> Result<T, Abort<E::Caller, Error>>
    where
        F: UnitOfWork<T, E>,
        E: WorkError,
        T: Send,
    {
        let began = Instant::now();
        let state = self.registry.state(operation);
        let limit = operation.own_deadline().unwrap_or(self.deadline);
        let limit = self.until.map_or(limit, |until| until.remaining_at(began).min(limit));
        let deadline = Deadline::from_start(began, limit);
        let mut attempts = self.retry.attempts(deadline);
        let mut may_change_session = true;
        let checkout = Checkout { borrower: operation.name(), now: began, deadline, opened_after: None };
        let mut budget = Budget { operation, checkout, limit, is_contended: false };
        let outcome = loop {
            let error = match self.run_gated(state, &mut budget, work).await {
                Err(Abort::Database(error)) => error,
                outcome => break outcome,
            };
            let now = Instant::now();
            if error.needs_new_session(operation.kind()) && std::mem::take(&mut may_change_session) {
                // Sessions that are as old as this one may have the same problem.
                budget.checkout.opened_after =
                    Some(if error.is_lost_session() { budget.checkout.now } else { now });
                budget.checkout.now = now;
                continue;
            }
            match attempts.delay_after(&error) {
                Some(delay) => {
                    drop(error);
                    tokio::time::sleep(delay).await;
                }
                None => break Err(Abort::Database(error)),
            }
            budget.checkout.now = Instant::now();
        };
        let result = outcome.as_ref().err().map(|error| match error {
            Abort::Caller(_) => Class::Caller,
            Abort::Database(error) => error.class(),
        });
        self.report(operation, state, began.elapsed(), attempts.retries(), result);
        outcome
    }

    /// Runs one attempt behind the gate of its operation. A write that deadlocks limits the concurrency of its
    /// operation to one, before it acquires any resources.
    async fn run_gated<T, E, F>(
        &self,
        state: &OperationState,
        budget: &mut Budget,
        work: &F,
    ) -> Result<T, Abort<E::Caller, Error>>
    where
        F: UnitOfWork<T, E>,
        E: WorkError,
        T: Send,
    {
        if budget.operation.kind() != Kind::Write {
            return self.attempt(budget, work).await;
        }
        let pass = state
            .gate
            .enter(budget.checkout.deadline)
            .await
            .map_err(|error| Abort::Database(error.into()))?;
        // The caller may have waited, and the pool compares ages and idle times with this time.
        budget.checkout.now = Instant::now();
        budget.is_contended = state.gate.is_limited();
        let result = self.attempt(budget, work).await;
        if matches!(&result, Err(Abort::Database(error)) if error.class() == Class::Deadlock) {
            pass.contended();
        }
        result
    }

    async fn attempt<T, E, F>(&self, budget: &Budget, work: &F) -> Result<T, Abort<E::Caller, Error>>
    where
        F: UnitOfWork<T, E>,
        E: WorkError,
        T: Send,
    {
        let permit =
            self.breaker.try_acquire().map_err(|rejected| Abort::Database(self.rejected(rejected)))?;
        let result = self.run_on_connection(budget, work).await;
        match result.as_ref().err() {
            Some(Abort::Database(error)) if error.is_inconclusive() => drop(permit),
            Some(Abort::Database(error)) => permit.record(Some(error.class())),
            // The server has responded.
            Some(Abort::Caller(_)) | None => permit.record(None),
        }
        result
    }

    /// Returns the error of a call that the open breaker rejected. While the pool probes the server, the next attempt
    /// may come earlier than the breaker says.
    fn rejected(&self, rejected: Rejected) -> Error {
        let retry_after = self.pool.retry_after(rejected.retry_after);
        Error::Rejected { rejected: Rejected { retry_after, ..rejected }, cause: self.pool.last_cause() }
    }

    /// Runs one attempt on a connection from the pool.
    async fn run_on_connection<T, E, F>(
        &self,
        budget: &Budget,
        work: &F,
    ) -> Result<T, Abort<E::Caller, Error>>
    where
        F: UnitOfWork<T, E>,
        E: WorkError,
        T: Send,
    {
        let mut conn = self.pool.check_out(&budget.checkout).await.map_err(Abort::Database)?;
        unit::run(&mut conn, budget, work).await
    }

    fn report(
        &self,
        operation: &AnyOperation,
        state: &OperationState,
        took: Duration,
        repeated: u32,
        failed: Option<Class>,
    ) {
        let name = operation.name();
        let outcome = failed.map_or("ok", Class::as_str);
        match failed {
            None => state.succeeded(took),
            Some(_) => state.failed(outcome, took),
        }
        if repeated > 0 {
            metrics::counter!("db_operation_repeats_total", "operation" => name).increment(repeated.into());
        }
        if took >= operation.own_slow_after().unwrap_or(self.slow_after) {
            tracing::warn!(
                operation = name,
                duration_ms = took.as_secs_f64() * 1e3,
                repeated,
                outcome,
                "slow database operation"
            );
        }
    }
}

/// Runs `work` in the span of its operation. `work` is pinned because moving such a large future would copy it.
async fn spanned<F: Future>(operation: &AnyOperation, mut work: Pin<&mut F>) -> F::Output {
    let span = tracing::debug_span!("db", operation = operation.name());
    poll_fn(|cx| span.in_scope(|| work.as_mut().poll(cx))).await
}
