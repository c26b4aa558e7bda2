//! A borrowed connection: how it is made ready for its borrower, and what becomes of it on return.

use super::counters::CloseReason;
use super::slot::{Places, Slot};
use super::{Inner, leaks};
use crate::Conn;
use crate::error::Error;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use steadfast_resilience::Deadline;
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout_at;

/// A connection that was used this short a time ago is taken to be alive.
const FRESH: Duration = Duration::from_millis(500);

/// The longest wait for a sign of life.
const PING_LIMIT: Duration = Duration::from_secs(2);

/// A connection on loan from the pool. On return it is kept, or closed when it is of no further use: an open
/// transaction, an outstanding answer (the server is asked to stop first), an error that ends the session, its age.
pub struct Pooled {
    /// Present until the drop.
    place: Option<bb8::PooledConnection<'static, Places>>,
    pool: Arc<Inner>,
    turn: Option<OwnedSemaphorePermit>,
    loan: Option<u64>,
}

impl Pooled {
    pub(super) fn new(
        place: bb8::PooledConnection<'static, Places>,
        pool: Arc<Inner>,
        turn: OwnedSemaphorePermit,
    ) -> Self {
        Self { place: Some(place), pool, turn: Some(turn), loan: None }
    }

    /// Makes sure that there is a living connection in the place.
    pub(super) async fn furnish(&mut self, deadline: Deadline) -> Result<(), Error> {
        let Some(place) = &mut self.place else {
            return Err(Error::PoolClosed);
        };
        if let Some(unfit) = self.pool.unfitness(place, deadline).await {
            // The old one goes first: never more sessions than places.
            if place.take().is_some() {
                self.pool.counters.closed(unfit);
            }
            **place = Slot::with(self.pool.connect(deadline).await?, self.pool.settings.recycle);
        }
        self.begin_unit();
        Ok(())
    }

    /// Notes who has the connection from now on.
    pub(super) fn lend_to(&mut self, borrower: &'static str) {
        let (loan, first) = self.pool.borrowers.lend(borrower);
        self.loan = Some(loan);
        if first {
            tokio::spawn(leaks::watch(Arc::downgrade(&self.pool)));
        }
    }

    /// Ends a session for which the server still works, in the background. The turn goes with it: nobody opens another
    /// one in its stead before it is gone.
    fn abandon(&mut self, conn: Conn) {
        self.pool.counters.closed(CloseReason::Abandoned);
        let (turn, pool) = (self.turn.take(), Arc::downgrade(&self.pool));
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move {
            let obeyed = conn.cancel_and_close().await;
            drop(turn);
            if let Some(pool) = pool.upgrade().filter(|_| !obeyed) {
                pool.begin_outage(pool.no_answer(Duration::ZERO));
            }
        });
    }
}

impl Inner {
    /// Why the connection in the place cannot be handed out; `None` when it can.
    async fn unfitness(&self, slot: &mut Slot, deadline: Deadline) -> Option<CloseReason> {
        let valid_from = *self.valid_from.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.is_older_than(valid_from) {
            return Some(CloseReason::Dead);
        }
        if slot.is_expired() {
            return Some(CloseReason::Recycled);
        }
        let rested = slot.rested();
        let Some(conn) = slot.conn_mut().filter(|conn| conn.is_reusable()) else {
            return Some(CloseReason::Broken);
        };
        if rested < FRESH || !self.settings.pre_ping {
            return None;
        }
        let until = deadline.at_most(PING_LIMIT);
        if matches!(timeout_at(until.instant(), conn.ping()).await, Ok(Ok(()))) {
            return None;
        }
        self.outdate();
        Some(CloseReason::Dead)
    }

    /// Why a connection that came back is not kept; `None` when it is.
    fn reason_to_close(self: &Arc<Self>, slot: &Slot) -> Option<CloseReason> {
        if !slot.conn()?.is_reusable() {
            return Some(CloseReason::Broken);
        }
        if slot.is_expired() {
            return Some(CloseReason::Recycled);
        }
        if !self.has_surplus() {
            return None;
        }
        // A null pool keeps nothing, however long its overflow might linger.
        if self.settings.linger.is_zero() || self.settings.pool_size == 0 {
            return Some(CloseReason::Overflow);
        }
        self.let_linger();
        None
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        if let Some(loan) = self.loan.take() {
            self.pool.borrowers.take_back(loan);
        }
        let Some(mut place) = self.place.take() else { return };
        place.touch();
        if place.conn().is_some_and(Conn::is_busy) {
            if let Some(conn) = place.take() {
                self.abandon(conn);
            }
        } else if let Some(reason) = self.pool.reason_to_close(&place) {
            drop(place.take());
            self.pool.counters.closed(reason);
        }
        // The place goes back before the turn does, so that the next one finds it.
        drop(place);
    }
}

/// Unreachable by construction: only [`Pooled::furnish`] hands out, and only the drop takes the connection away.
const FURNISHED: &str = "a borrowed place holds its connection until it is returned";

#[expect(clippy::expect_used, reason = "see FURNISHED")]
impl Deref for Pooled {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        self.place.as_ref().and_then(|place| place.conn()).expect(FURNISHED)
    }
}

#[expect(clippy::expect_used, reason = "see FURNISHED")]
impl DerefMut for Pooled {
    fn deref_mut(&mut self) -> &mut Conn {
        self.place.as_mut().and_then(|place| place.conn_mut()).expect(FURNISHED)
    }
}

impl std::fmt::Debug for Pooled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Pooled").field(&self.place.as_ref().and_then(|place| place.conn())).finish()
    }
}
