//! The pool: QueuePool's meaning on bb8's ledger, fair by a queue of turns, failing fast with the cause.

mod close;
mod connect;
mod counters;
mod impairment;
mod leaks;
mod lifetimes;
mod overflow;
mod patience;
mod pooled;
mod probe;
mod settings;
mod slot;
mod state;
mod trust;

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
use impairment::Impaired;
use leaks::Borrowers;
use lifetimes::Lifetimes;
use slot::{Places, Slot};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::Duration;
use steadfast_resilience::Deadline;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use trust::Trust;

/// Connections that are opened at once: a server that just came back is not stormed.
const CONNECTING_AT_ONCE: usize = 4;

/// A pool of connections to one database. Cheap to clone; all clones share it.
#[derive(Clone, Debug)]
pub struct Pool(Arc<Inner>);

/// What a borrower asks for.
pub(crate) struct Checkout {
    /// Told when the connection does not come back.
    pub(crate) borrower: &'static str,
    /// When it is asked: the clock is read once for all that needs to know.
    pub(crate) now: Instant,
    pub(crate) deadline: Deadline,
    /// Only a session that was opened later will do.
    pub(crate) born_since: Option<Instant>,
}

pub(crate) struct Inner {
    target: Arc<Target>,
    settings: PoolSettings,
    slots: bb8::Pool<Places>,
    /// One permit a place. Waiters get them in the order in which they came.
    turns: Arc<Semaphore>,
    connecting: Semaphore,
    /// Held by the one who connects while it is in doubt whether anybody can.
    connect_lock: Semaphore,
    impaired: Impaired,
    trust: Trust,
    /// What is heard of the server, on all connections.
    server: Arc<Server>,
    /// The most connections in use since the sweep of lingering ones last looked.
    peak: AtomicU32,
    sweeping: AtomicBool,
    counters: Counters,
    borrowers: Borrowers,
    lifetimes: Lifetimes,
    on_reached: Box<dyn Fn() + Send + Sync>,
}

impl Pool {
    /// A pool for the database at `url` with the settings for production. Nothing is connected yet.
    ///
    /// # Errors
    /// As [`Pool::new`].
    pub fn from_url(url: &str) -> Result<Self, UrlError> {
        Self::new(url, PoolSettings::default(), || {})
    }

    /// A pool for the database at `url`. Nothing is connected yet. `on_reached` is called whenever the server answers
    /// again after an outage.
    ///
    /// # Errors
    /// Returns [`UrlError`] if a parameter of the URL or of the environment is malformed, unsupported or without effect.
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
            .build_unchecked(Places);
        let lifetimes = Lifetimes::new(settings.recycle, ceiling);
        Ok(Self(Arc::new(Inner {
            target: Arc::new(target),
            settings,
            lifetimes,
            slots,
            turns: Arc::new(Semaphore::new(ceiling as usize)),
            connecting: Semaphore::new(CONNECTING_AT_ONCE),
            connect_lock: Semaphore::new(1),
            impaired: Impaired::default(),
            trust: Trust::new(),
            server,
            peak: AtomicU32::new(0),
            sweeping: AtomicBool::new(false),
            counters: Counters::default(),
            borrowers: Borrowers::default(),
            on_reached: Box::new(on_reached),
        })))
    }

    /// Borrows a connection. Callers are served in the order in which they came. While the server refuses further
    /// connections they wait for those that are open; while nobody can be served they fail at once.
    ///
    /// # Errors
    /// Returns [`Error::PoolTimeout`] if no connection is returned within the pool's timeout, [`Error::Connect`] if nobody
    /// can be served, [`Error::Deadline`] if opening a connection takes too long, and [`Error::PoolClosed`] after
    /// [`Pool::close`].
    pub async fn get(&self) -> Result<Pooled, Error> {
        self.get_by(Deadline::after(self.0.settings.timeout)).await
    }

    /// As [`Pool::get`], at the latest at `deadline`.
    ///
    /// # Errors
    /// As [`Pool::get`].
    pub async fn get_by(&self, deadline: Deadline) -> Result<Pooled, Error> {
        self.get_for("unnamed", deadline).await
    }

    /// As [`Pool::get_by`], for a borrower with a name: it is told when the connection does not come back.
    ///
    /// # Errors
    /// As [`Pool::get`].
    pub async fn get_for(&self, borrower: &'static str, deadline: Deadline) -> Result<Pooled, Error> {
        self.lend(&Checkout { borrower, now: Instant::now(), deadline, born_since: None }).await
    }

    /// As [`Pool::get_for`], for what `checkout` asks.
    pub(crate) async fn lend(&self, checkout: &Checkout) -> Result<Pooled, Error> {
        let (turn, now) = self.take_turn(checkout).await?;
        let mut pooled = self.occupy(turn).await?;
        if !pooled.is_ready(now, checkout.born_since) {
            // Rare, and large: it would make every borrower's future as large.
            pooled = Box::pin(self.connected(pooled, checkout, now)).await?;
        }
        self.0.note_use();
        pooled.lend_to(checkout.borrower, now);
        Ok(pooled)
    }

    /// Takes the place for which `turn` stands: that of a resting connection, or an empty one.
    async fn occupy(&self, turn: OwnedSemaphorePermit) -> Result<Pooled, Error> {
        // There is a place for each turn, and making an empty one needs no server: this cannot time out.
        let place = self.0.slots.get_owned().await.map_err(|_| Error::PoolClosed)?;
        Ok(Pooled::new(place, self.0.clone(), turn))
    }

    /// Returns a place with a working connection: this one, or that of a session which was returned meanwhile.
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
            let turn = self.wait_for_turn(checkout).await?;
            now = Instant::now();
            pooled = self.occupy(turn).await?;
        }
    }

    /// The borrower's turn, and the moment at which it came. No clock and no timer while nobody has to wait.
    async fn take_turn(&self, checkout: &Checkout) -> Result<(OwnedSemaphorePermit, Instant), Error> {
        match self.0.turns.clone().try_acquire_owned() {
            Ok(turn) => Ok((turn, checkout.now)),
            Err(_) => Ok((self.wait_for_turn(checkout).await?, Instant::now())),
        }
    }

    /// What the pool looks like now. Touches no connection.
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

    /// Why the server cannot be reached, or could not when somebody tried last in vain.
    pub(crate) fn last_cause(&self) -> Option<ConnectError> {
        self.0.last_cause()
    }

    /// Returns after which time a caller that was refused may try again, where it would be `otherwise` without the prober.
    pub(crate) fn retry_after(&self, otherwise: Duration) -> Duration {
        if self.0.impaired.is_present() { otherwise.min(RETRY_AFTER) } else { otherwise }
    }

    async fn wait_for_turn(&self, checkout: &Checkout) -> Result<OwnedSemaphorePermit, Error> {
        let inner = &self.0;
        let latest = checkout.deadline.min(Deadline::at(checkout.now + inner.settings.timeout));
        let _waiting = Waiting::new(&inner.counters);
        match timeout_at(latest.instant(), inner.turns.clone().acquire_owned()).await {
            // With no time left a statement would be sent only to be abandoned, and its session with it.
            Ok(turn) if !latest.has_passed() => turn.map_err(|_| Error::PoolClosed),
            _ => {
                inner.counters.timed_out.fetch_add(1, Relaxed);
                Err(inner.waited_in_vain(checkout.now.elapsed()))
            }
        }
    }
}

impl Inner {
    fn slot_with(&self, conn: Conn) -> Slot {
        Slot::with(conn, self.lifetimes.next(), self.borrowers.enrol())
    }

    /// Returns the error of a caller that waited for so long: for a session of others, or for any at all.
    fn waited_in_vain(&self, waited: Duration) -> Error {
        let cause = match self.impairment() {
            Some((cause, is_outage)) if is_outage || !self.server.has_sessions() => return cause.into(),
            impairment => impairment.map(|(cause, _)| cause),
        };
        Error::PoolTimeout {
            size: self.settings.pool_size,
            overflow: self.settings.max_overflow,
            waited,
            silent: self.server.owing_for().min(waited),
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
