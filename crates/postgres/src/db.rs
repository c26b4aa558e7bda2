//! A database to work with: units of work that are named, bounded, measured, repeated when that helps.

use crate::Health;
use crate::error::{Error, UrlError};
use crate::operation::{Kind, Operation};
use crate::pool::{Checkout, Closed, Pool, PoolSettings};
use crate::standing::{Standing, Standings};
use crate::unit::{self, Budget};
use crate::work::UnitOfWork;
use diesel_async::SimpleAsyncConnection;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;
use steadfast_resilience::{Backoff, Breaker, BreakerConfig, Class, Classify, Deadline, Rejected, Retry};
use tokio::time::Instant;

/// An operation of the library's own.
const REACH: Operation = Operation::read("internal.reach").statements(0);

/// Settings of a [`Db`].
#[derive(Clone, Debug)]
pub struct DbSettings {
    /// The pool.
    pub pool: PoolSettings,
    /// When the breaker in front of the database opens, and for how long: 3 failures in a row, 30 s. The pool's own
    /// prober ends that time early.
    pub breaker: BreakerConfig,
    /// Repetitions of a transaction that was in another one's way: 3, after 0.1, 0.2 and 0.4 s with jitter.
    pub retry: Retry,
    /// The longest that a unit of work may take whose operation says nothing: 30 s.
    pub deadline: Duration,
    /// From when on a unit of work is reported as slow whose operation says nothing: 1 s.
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
            ),
            deadline: Duration::from_secs(30),
            slow_after: Duration::from_secs(1),
        }
    }
}

/// A database. Cheap to clone; all clones share pool and breaker.
#[derive(Clone, Debug)]
pub struct Db {
    pool: Pool,
    breaker: Arc<Breaker>,
    retry: Retry,
    deadline: Duration,
    slow_after: Duration,
    standings: Arc<Standings>,
    until: Option<Deadline>,
}

impl Db {
    /// The database at `url`. Nothing is connected yet.
    ///
    /// # Errors
    /// [`UrlError`] when the URL cannot be used.
    pub fn new(url: &str, settings: DbSettings) -> Result<Self, UrlError> {
        let DbSettings { pool, breaker, retry, deadline, slow_after } = settings;
        let breaker = Arc::new(Breaker::new("database", breaker));
        let reached = Arc::downgrade(&breaker);
        let pool = Pool::new(url, pool, move || {
            if let Some(breaker) = reached.upgrade() {
                breaker.reached();
            }
        })?;
        Ok(Self {
            pool,
            breaker,
            retry,
            deadline,
            slow_after,
            standings: Arc::new(Standings::new()),
            until: None,
        })
    }

    /// Runs a reading unit of work. Each statement stands for itself, unless the operation asks for a snapshot. A session
    /// that ends meanwhile is replaced once, and `work` runs again: what it sent may have run before, so it must change
    /// nothing. The server does not watch over that; a statement that changes something belongs into [`Db::write`].
    ///
    /// # Errors
    /// [`Error`].
    pub async fn read<T, F>(&self, operation: &'static Operation, work: F) -> Result<T, Error>
    where
        F: UnitOfWork<T>,
        T: Send,
    {
        debug_assert_ne!(operation.kind(), Kind::Write, "{} is declared as a write", operation.name());
        spanned(operation, pin!(self.run(operation, &work))).await
    }

    /// Runs a writing unit of work in one transaction, and commits it when `work` returns `Ok`. When another
    /// transaction stood in its way it is rolled back and `work` runs again, from the start.
    ///
    /// # Errors
    /// [`Error`]; nothing was kept, except that after [`Error::CommitUnknown`] nobody knows.
    pub async fn write<T, F>(&self, operation: &'static Operation, work: F) -> Result<T, Error>
    where
        F: UnitOfWork<T>,
        T: Send,
    {
        debug_assert_eq!(operation.kind(), Kind::Write, "{} is declared as a read", operation.name());
        spanned(operation, pin!(self.run(operation, &work))).await
    }

    /// The same database, whose units of work also end by `deadline`: that of a request, of which they are a part.
    #[must_use]
    pub fn within(&self, deadline: Deadline) -> Self {
        Self { until: Some(deadline), ..self.clone() }
    }

    /// Makes sure that the server answers, by a round trip that costs it nothing: for callers that would do something
    /// dear before their first unit of work.
    ///
    /// # Errors
    /// [`Error`] when it does not.
    pub async fn reach(&self) -> Result<(), Error> {
        self.read(&REACH, async |conn| conn.batch_execute("").await).await
    }

    /// What state pool and breaker are in. Touches no connection, so it answers also when the pool is exhausted.
    pub fn health(&self) -> Health {
        Health { pool: self.pool.state(), breaker: self.breaker.snapshot() }
    }

    /// The most connections at any moment.
    pub(crate) fn ceiling(&self) -> u32 {
        let state = self.pool.state();
        state.size.saturating_add(state.max_overflow).max(1)
    }

    /// Closes the pool: accepts no more units of work, waits up to `limit` for those that run, and ends all sessions.
    /// See [`Pool::close`].
    pub async fn close(&self, limit: Duration) -> Closed {
        self.pool.close(limit).await
    }

    async fn run<T, F>(&self, operation: &'static Operation, work: &F) -> Result<T, Error>
    where
        F: UnitOfWork<T>,
        T: Send,
    {
        let began = Instant::now();
        let standing = self.standings.of(operation);
        let limit = operation.own_deadline().unwrap_or(self.deadline);
        let limit = self.until.map_or(limit, |until| until.remaining_at(began).min(limit));
        let deadline = Deadline::at(began + limit);
        let mut attempts = self.retry.attempts(deadline);
        let mut may_read_again = operation.kind() != Kind::Write;
        let checkout = Checkout { borrower: operation.name(), now: began, deadline, born_since: None };
        let mut budget = Budget { operation, checkout, limit };
        let outcome = loop {
            let error = match self.gated(standing, &mut budget, work).await {
                Ok(value) => break Ok(value),
                Err(error) => error,
            };
            if error.is_lost_session() && std::mem::take(&mut may_read_again) {
                // Whoever ends one session may be about to end them all, so the second time it is a newer one.
                budget.checkout.born_since = Some(budget.checkout.now);
                budget.checkout.now = Instant::now();
                continue;
            }
            match attempts.delay_after(&error) {
                Some(delay) => tokio::time::sleep(delay).await,
                None => break Err(error),
            }
            budget.checkout.now = Instant::now();
        };
        self.report(operation, standing, began.elapsed(), attempts.repeated(), outcome.as_ref().err());
        outcome
    }

    /// One attempt, behind the gate of its operation: a write that deadlocks lowers its own concurrency to one, before it
    /// holds anything, and raises it again slowly.
    async fn gated<T, F>(&self, standing: &Standing, budget: &mut Budget, work: &F) -> Result<T, Error>
    where
        F: UnitOfWork<T>,
        T: Send,
    {
        if budget.operation.kind() != Kind::Write {
            return self.attempt(budget, work).await;
        }
        let pass = standing.gate.enter(budget.checkout.deadline).await?;
        // It may have waited there, and the pool judges a connection's rest and age by the clock.
        budget.checkout.now = Instant::now();
        let result = self.attempt(budget, work).await;
        if result.as_ref().is_err_and(|error| error.class() == Class::Deadlock) {
            pass.contended();
        }
        result
    }

    async fn attempt<T, F>(&self, budget: &Budget, work: &F) -> Result<T, Error>
    where
        F: UnitOfWork<T>,
        T: Send,
    {
        let permit = self.breaker.try_acquire().map_err(|rejected| self.rejected(rejected))?;
        let result = self.connected(budget, work).await;
        match result.as_ref().err() {
            Some(error) if error.tells_nothing_of_the_server() => drop(permit),
            error => permit.record(error.map(Classify::class)),
        }
        result
    }

    /// Returns the error of a call that the open breaker rejected. While the pool probes the server, the next attempt is
    /// its own.
    fn rejected(&self, rejected: Rejected) -> Error {
        let retry_after = self.pool.retry_after(rejected.retry_after);
        Error::Rejected { rejected: Rejected { retry_after, ..rejected }, cause: self.pool.last_cause() }
    }

    /// One attempt on a connection of the pool, which has it back afterwards.
    async fn connected<T, F>(&self, budget: &Budget, work: &F) -> Result<T, Error>
    where
        F: UnitOfWork<T>,
        T: Send,
    {
        let mut conn = self.pool.lend(&budget.checkout).await?;
        unit::run(&mut conn, budget, work).await
    }

    fn report(
        &self,
        operation: &Operation,
        standing: &Standing,
        took: Duration,
        repeated: u32,
        error: Option<&Error>,
    ) {
        let name = operation.name();
        let outcome = error.map_or("ok", |error| error.class().as_str());
        match error {
            None => standing.succeeded(took),
            Some(_) => standing.failed(outcome, took),
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

/// Runs `work` in the span of its operation. It comes pinned: as large as it is, it would be copied once more.
async fn spanned<F: Future>(operation: &Operation, mut work: Pin<&mut F>) -> F::Output {
    let span = tracing::debug_span!("db", operation = operation.name());
    poll_fn(|cx| span.in_scope(|| work.as_mut().poll(cx))).await
}
