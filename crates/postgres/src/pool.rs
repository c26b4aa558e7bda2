//! The pool: QueuePool's meaning on bb8's ledger, fair by a queue of turns, failing fast with the cause.

mod outage;
mod pooled;
mod settings;
mod slot;

pub use pooled::Pooled;
pub use settings::PoolSettings;

use crate::error::{ConnectError, Error, UrlError};
use crate::target::Target;
use outage::Outage;
use slot::Places;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use steadfast_resilience::Deadline;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// A pool of connections to one database. Cheap to clone; all clones share it.
#[derive(Clone, Debug)]
pub struct Pool(Arc<Inner>);

pub(crate) struct Inner {
    target: Arc<Target>,
    settings: PoolSettings,
    slots: bb8::Pool<Places>,
    /// One permit a place. Waiters get them in the order in which they came.
    turns: Arc<Semaphore>,
    outage: Mutex<Option<Outage>>,
    /// Connections born before this moment are not handed out any more: one of them was found dead.
    valid_from: Mutex<Instant>,
    waiting: AtomicU64,
    opened: AtomicU64,
    on_reached: Box<dyn Fn() + Send + Sync>,
}

/// What the pool looks like at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolState {
    /// Connections that are kept.
    pub size: u32,
    /// Connections more on demand.
    pub max_overflow: u32,
    /// Connections that are open now.
    pub open: u32,
    /// Of those, in use.
    pub checked_out: u32,
    /// Callers that wait for one.
    pub waiting: u64,
    /// Connections opened since the start.
    pub opened: u64,
    /// Since when and why the server cannot be reached.
    pub outage: Option<(Duration, ConnectError)>,
}

impl PoolState {
    /// Connections beyond the size of the pool.
    pub fn overflow(&self) -> u32 {
        self.open.saturating_sub(self.size)
    }

    /// Connections in use as a share of the most that there may be, from 0 to 1.
    pub fn utilisation(&self) -> f64 {
        f64::from(self.checked_out) / f64::from(self.size.max(1) + self.max_overflow)
    }
}

impl Pool {
    /// A pool for the database at `url`. Nothing is connected yet. `on_reached` is called whenever the server answers
    /// again after an outage.
    ///
    /// # Errors
    /// [`UrlError`] when the URL cannot be read or asks for what this pool has not: several hosts, TLS.
    pub fn new(
        url: &str,
        settings: PoolSettings,
        on_reached: impl Fn() + Send + Sync + 'static,
    ) -> Result<Self, UrlError> {
        let target = Arc::new(Target::new(url, &settings.session)?);
        let ceiling = settings.ceiling();
        let slots = bb8::Pool::builder()
            .max_size(ceiling)
            .max_lifetime(None)
            .idle_timeout(None)
            .test_on_check_out(false)
            .queue_strategy(bb8::QueueStrategy::Lifo)
            .build_unchecked(Places);
        let turns = Arc::new(Semaphore::new(ceiling as usize));
        Ok(Self(Arc::new(Inner {
            target,
            settings,
            slots,
            turns,
            outage: Mutex::default(),
            valid_from: Mutex::new(Instant::now()),
            waiting: AtomicU64::new(0),
            opened: AtomicU64::new(0),
            on_reached: Box::new(on_reached),
        })))
    }

    /// A connection, at the latest at `deadline` or after the pool's timeout. Callers are served in the order in which
    /// they came. While the server cannot be reached they fail at once, with the cause.
    ///
    /// # Errors
    /// [`Error::PoolTimeout`], [`Error::PoolClosed`] or [`Error::Connect`].
    pub async fn get(&self, deadline: Deadline) -> Result<Pooled, Error> {
        let turn = self.wait_for_turn(deadline.at_most(self.0.settings.timeout)).await?;
        // There is a place for each turn, and making an empty one needs no server: this cannot time out.
        let Ok(place) = self.0.slots.get_owned().await else {
            return Err(Error::PoolClosed);
        };
        let mut pooled = Pooled { place: Some(place), pool: self.0.clone(), turn: Some(turn) };
        pooled.furnish().await?;
        Ok(pooled)
    }

    /// What the pool looks like now. Touches no connection.
    pub fn state(&self) -> PoolState {
        let inner = &self.0;
        let slots = inner.slots.state();
        PoolState {
            size: inner.settings.pool_size,
            max_overflow: inner.settings.max_overflow,
            open: slots.connections,
            checked_out: slots.connections.saturating_sub(slots.idle_connections),
            waiting: inner.waiting.load(Relaxed),
            opened: inner.opened.load(Relaxed),
            outage: inner.outage().map(|outage| (outage.since.elapsed(), outage.cause)),
        }
    }

    /// Hands out nothing any more; those who wait get [`Error::PoolClosed`], those who have a connection go on.
    pub fn close(&self) {
        self.0.turns.close();
    }

    async fn wait_for_turn(&self, deadline: Deadline) -> Result<OwnedSemaphorePermit, Error> {
        let inner = &self.0;
        let began = Instant::now();
        let _waiting = Waiting::new(&inner.waiting);
        match timeout_at(deadline.instant(), inner.turns.clone().acquire_owned()).await {
            Ok(turn) => turn.map_err(|_| Error::PoolClosed),
            Err(_) => Err(Error::PoolTimeout {
                size: inner.settings.pool_size,
                overflow: inner.settings.max_overflow,
                waited: began.elapsed(),
            }),
        }
    }
}

/// Counts a caller as waiting for as long as it does, also when it leaves early.
struct Waiting<'a>(&'a AtomicU64);

impl<'a> Waiting<'a> {
    fn new(waiting: &'a AtomicU64) -> Self {
        waiting.fetch_add(1, Relaxed);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
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
