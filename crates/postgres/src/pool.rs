//! The connection pool: QueuePool's semantics on top of bb8, with fair queueing and errors that name the cause.

mod close;
mod connect;
mod counters;
mod freshness;
mod impairment;
mod leaks;
mod lifetimes;
mod overflow;
mod pooled;
mod probe;
mod scheduled_timeout;
mod settings;
mod slot;
mod state;

pub use close::Closed;
pub use counters::CloseReason;
pub use leaks::Unreturned;
pub use pooled::Pooled;
pub use settings::{Order, PoolSettings};
pub use state::PoolState;

use crate::Conn;
use crate::activity::Server;
use crate::error::{ConnectError, Error, RETRY_AFTER, UrlError};
use crate::target::Target;
use connect::NoConnection;
use counters::{Counters, Waiting};
use freshness::Freshness;
use impairment::Impaired;
use leaks::Borrowers;
use lifetimes::Lifetimes;
use slot::{Slot, Slots};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::Duration;
use steadfast_resilience::Deadline;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// Maximum number of connections that are opened concurrently, so that a restarted server is not overwhelmed.
const CONCURRENT_CONNECTS_MAX: usize = 4;

/// A pool of connections to one database. Cheap to clone; all clones share the connections.
#[derive(Clone, Debug)]
pub struct Pool(Arc<Inner>);

/// Request for a connection.
pub(crate) struct Checkout {
    /// Name for reports about connections that are not returned.
    pub(crate) borrower: &'static str,
    /// Time of the request. The clock is read once for all checks.
    pub(crate) now: Instant,
    pub(crate) deadline: Deadline,
    /// If set, the session must have been opened after this time.
    pub(crate) opened_after: Option<Instant>,
}

pub(crate) struct Inner {
    target: Arc<Target>,
    settings: PoolSettings,
    slots: bb8::Pool<Slots>,
    /// One permit per slot. Waiting callers acquire them in order of arrival.
    permits: Arc<Semaphore>,
    connecting: Semaphore,
    /// Held by the single caller that connects while the server is suspect.
    connect_lock: Semaphore,
    impaired: Impaired,
    freshness: Freshness,
    /// Last activity of the server on all connections.
    server: Arc<Server>,
    /// Maximum number of connections in use since the last sweep of overflow connections.
    peak: AtomicU32,
    sweeping: AtomicBool,
    counters: Counters,
    borrowers: Borrowers,
    lifetimes: Lifetimes,
    on_reached: Box<dyn Fn() + Send + Sync>,
}

impl Pool {
    /// Creates a pool for the database at `url` with the production settings. Connections are opened on demand.
    ///
    /// # Errors
    /// Returns the same errors as [`Pool::new`].
    pub fn from_url(url: &str) -> Result<Self, UrlError> {
        Self::new(url, PoolSettings::default(), || {})
    }

    /// Creates a pool for the database at `url`. Connections are opened on demand. `on_reached` is called whenever the
    /// server responds again after an outage.
    ///
    /// # Errors
    /// Returns [`UrlError`] if a parameter of the URL or of the environment is malformed, unsupported or has no effect.
    pub fn new(
        url: &str,
        settings: PoolSettings,
        on_reached: impl Fn() + Send + Sync + 'static,
    ) -> Result<Self, UrlError> {
        let settings = settings.bounded();
        let target = Target::new(url, &settings.session)?;
        let server = target.server.clone();
        let ceiling = settings.ceiling();
        let slots = bb8::Pool::builder()
            .max_size(ceiling)
            .max_lifetime(None)
            .idle_timeout(None)
            .test_on_check_out(false)
            .queue_strategy(match settings.order {
                Order::Lifo => bb8::QueueStrategy::Lifo,
                Order::Fifo => bb8::QueueStrategy::Fifo,
            })
            .build_unchecked(Slots);
        let lifetimes = Lifetimes::new(settings.recycle, ceiling);
        Ok(Self(Arc::new(Inner {
            target: Arc::new(target),
            settings,
            lifetimes,
            slots,
            permits: Arc::new(Semaphore::new(ceiling as usize)),
            connecting: Semaphore::new(CONCURRENT_CONNECTS_MAX),
            connect_lock: Semaphore::new(1),
            impaired: Impaired::default(),
            freshness: Freshness::new(),
            server,
            peak: AtomicU32::new(0),
            sweeping: AtomicBool::new(false),
            counters: Counters::default(),
            borrowers: Borrowers::default(),
            on_reached: Box::new(on_reached),
        })))
    }

    /// Borrows a connection. Callers are served in order of arrival. While the server refuses further connections,
    /// callers wait for the open ones; during an outage they fail immediately.
    ///
    /// # Errors
    /// Returns [`Error::PoolTimeout`] if no connection becomes available within the pool's timeout, [`Error::Connect`]
    /// during an outage, [`Error::Deadline`] if opening a connection takes too long, and [`Error::PoolClosed`] after
    /// [`Pool::close`].
    pub async fn get(&self) -> Result<Pooled, Error> {
        self.get_by(Deadline::after(self.0.settings.timeout)).await
    }

    /// Borrows a connection like [`Pool::get`], waiting until `deadline` at most.
    ///
    /// # Errors
    /// Returns the same errors as [`Pool::get`].
    pub async fn get_by(&self, deadline: Deadline) -> Result<Pooled, Error> {
        self.get_for("unnamed", deadline).await
    }

    /// Borrows a connection like [`Pool::get_by`]. Reports about connections that are not returned name the `borrower`.
    ///
    /// # Errors
    /// Returns the same errors as [`Pool::get`].
    pub async fn get_for(&self, borrower: &'static str, deadline: Deadline) -> Result<Pooled, Error> {
        self.check_out(&Checkout { borrower, now: Instant::now(), deadline, opened_after: None }).await
    }

    /// Borrows a connection for `checkout`.
    pub(crate) async fn check_out(&self, checkout: &Checkout) -> Result<Pooled, Error> {
        let (permit, now) = self.acquire_permit(checkout).await?;
        let mut pooled = self.take_slot(permit).await?;
        if !pooled.is_ready(now, checkout.opened_after) {
            // Rarely needed and large; boxed so that it does not enlarge the future of every borrower.
            pooled = Box::pin(self.connected(pooled, checkout, now)).await?;
        }
        self.0.note_use();
        pooled.mark_borrowed(checkout.borrower, now);
        Ok(pooled)
    }

    /// Takes the slot of an idle connection, or an empty one.
    async fn take_slot(&self, permit: OwnedSemaphorePermit) -> Result<Pooled, Error> {
        // There is a slot for each permit, and creating an empty slot needs no server, so this cannot time out.
        let place = self.0.slots.get_owned().await.map_err(|_| Error::PoolClosed)?;
        Ok(Pooled::new(place, self.0.clone(), permit))
    }

    /// Returns a slot with a working connection: this slot, or that of a session that was returned in the meantime.
    async fn connected(
        &self,
        mut pooled: Pooled,
        checkout: &Checkout,
        mut now: Instant,
    ) -> Result<Pooled, Error> {
        loop {
            match pooled.ensure_connected(checkout, now).await {
                Ok(_) if self.0.is_closed() => return Err(Error::PoolClosed),
                Ok(pooled) => return Ok(pooled),
                Err(NoConnection::Failed(error)) => return Err(error),
                Err(NoConnection::Impaired) => {}
            }
            let permit = self.wait_for_permit(checkout).await?;
            now = Instant::now();
            pooled = self.take_slot(permit).await?;
        }
    }

    /// Acquires a permit and returns it with the current time. Reads no clock and sets no timer if a permit is
    /// available.
    async fn acquire_permit(&self, checkout: &Checkout) -> Result<(OwnedSemaphorePermit, Instant), Error> {
        match self.0.permits.clone().try_acquire_owned() {
            Ok(permit) => Ok((permit, checkout.now)),
            Err(_) => Ok((self.wait_for_permit(checkout).await?, Instant::now())),
        }
    }

    /// Returns a snapshot of the pool's state. Uses no connection.
    pub fn state(&self) -> PoolState {
        let inner = &self.0;
        let slots = inner.slots.state();
        let (outage, impairment) = match inner.impaired_for() {
            Some((time, cause, true)) => (Some((time, cause)), None),
            Some((time, cause, false)) => (None, Some((time, cause))),
            None => (None, None),
        };
        PoolState {
            size: inner.settings.pool_size,
            max_overflow: inner.settings.max_overflow,
            open: slots.connections,
            checked_out: slots.connections.saturating_sub(slots.idle_connections),
            waiting: inner.counters.waiting.load(Relaxed),
            timed_out: inner.counters.timed_out.load(Relaxed),
            opened: inner.counters.opened.load(Relaxed),
            closed: CloseReason::ALL.map(|reason| (reason, inner.counters.closed_for(reason))),
            outage,
            impairment,
        }
    }

    /// Returns the cause of the current or most recent impairment.
    pub(crate) fn last_cause(&self) -> Option<ConnectError> {
        self.0.last_cause()
    }

    /// Returns the time after which a rejected caller may retry: `otherwise`, or less while the prober runs.
    pub(crate) fn retry_after(&self, otherwise: Duration) -> Duration {
        if self.0.impaired.is_present() { otherwise.min(RETRY_AFTER) } else { otherwise }
    }

    async fn wait_for_permit(&self, checkout: &Checkout) -> Result<OwnedSemaphorePermit, Error> {
        let inner = &self.0;
        let latest = checkout.deadline.min(Deadline::at(checkout.now + inner.settings.timeout));
        let _waiting = Waiting::new(&inner.counters);
        match timeout_at(latest.instant(), inner.permits.clone().acquire_owned()).await {
            // Without remaining time, a statement would be sent only to be abandoned together with its session.
            Ok(permit) if !latest.has_passed() => permit.map_err(|_| Error::PoolClosed),
            _ => {
                inner.counters.timed_out.fetch_add(1, Relaxed);
                Err(inner.timeout_error(checkout.now.elapsed()))
            }
        }
    }
}

impl Inner {
    fn slot_with(&self, conn: Conn) -> Slot {
        Slot::with(conn, self.lifetimes.next(), self.borrowers.register())
    }

    /// Returns the error of a caller that waited for `waited` without getting a connection.
    fn timeout_error(&self, waited: Duration) -> Error {
        let cause = match self.impairment() {
            Some((cause, is_outage)) if is_outage || !self.server.has_sessions() => return cause.into(),
            impairment => impairment.map(|(cause, _)| cause),
        };
        Error::PoolTimeout {
            size: self.settings.pool_size,
            overflow: self.settings.max_overflow,
            waited,
            silent: self.server.unanswered_for().min(waited),
            cause,
        }
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner")
            .field("address", &self.target.address())
            .field("slots", &self.slots.state())
            .finish()
    }
}
