//! A borrowed connection: how it is made ready for its borrower, and what becomes of it on return.

use super::counters::CloseReason;
use super::outage::Cause;
use super::slot::{Places, Slot};
use super::{Inner, leaks};
use crate::Conn;
use crate::NestedWork;
use crate::alarm::Alarm;
use crate::error::{ConnectError, Error};
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;
use steadfast_resilience::Deadline;
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

/// The longest wait for a sign of life.
const PING_LIMIT: Duration = Duration::from_secs(2);

/// A connection on loan from the pool. On return it is kept, or closed when it is of no further use: an open
/// transaction, an outstanding answer (the server is asked to stop first), an error that ends the session, its age.
pub struct Pooled {
    /// Present until the drop.
    place: Option<bb8::PooledConnection<'static, Places>>,
    pool: Arc<Inner>,
    turn: Option<OwnedSemaphorePermit>,
    /// Whether its borrower has returned it and the rest of its last answer was received.
    is_drained: bool,
}

impl Pooled {
    pub(super) fn new(
        place: bb8::PooledConnection<'static, Places>,
        pool: Arc<Inner>,
        turn: OwnedSemaphorePermit,
    ) -> Self {
        Self { place: Some(place), pool, turn: Some(turn), is_drained: false }
    }

    /// Whether the connection in the place can be handed out as it is, without a question to the server. Starts its unit of
    /// work if so.
    pub(super) fn is_ready(&self, now: Instant, born_since: Option<Instant>) -> bool {
        let Some(place) = &self.place else { return false };
        let ready = self.pool.doubt_about(place, now, born_since).is_none();
        if ready {
            self.begin_unit();
        }
        ready
    }

    /// Makes sure that there is a living connection in the place.
    pub(super) async fn furnish(
        &mut self,
        now: Instant,
        deadline: Deadline,
        born_since: Option<Instant>,
    ) -> Result<(), Error> {
        let Some(place) = &mut self.place else {
            return Err(Error::PoolClosed);
        };
        if let Some(unfit) = self.pool.unfitness(place, now, deadline, born_since).await {
            // The old one goes first: never more sessions than places.
            if let Some(conn) = place.take() {
                self.pool.note_closed(unfit, &conn);
                _ = timeout_at(deadline.instant(), conn.end()).await;
            }
            **place = self.pool.slot_with(self.pool.connect(deadline).await?);
        }
        self.begin_unit();
        Ok(())
    }

    /// Makes sure that the server answers: on the connection in the place, or on a fresh one in its stead.
    pub(super) async fn revive(mut self) -> Result<(), ConnectError> {
        let Some(place) = &mut self.place else { return Ok(()) };
        if let Some(conn) = place.conn_mut().filter(|conn| conn.is_reusable())
            && conn.ping().await.is_ok()
        {
            return Ok(());
        }
        drop(place.take());
        **place = self.pool.slot_with(self.pool.open().await?);
        Ok(())
    }

    /// Notes who has the connection from now on.
    pub(super) fn lend_to(&mut self, borrower: &'static str, now: Instant) {
        if let Some(loan) = self.place.as_ref().and_then(|place| place.loan()) {
            loan.lend(borrower, now);
        }
        if self.pool.borrowers.is_unwatched() {
            tokio::spawn(leaks::watch(Arc::downgrade(&self.pool)));
        }
    }

    /// The alarm of the connection, for as long as a unit of work runs on it.
    pub(crate) fn take_alarm(&mut self) -> Option<Alarm> {
        self.place.as_mut()?.alarm().take()
    }

    /// Keeps the alarm for the next unit of work.
    pub(crate) fn keep_alarm(&mut self, alarm: Alarm) {
        if let Some(place) = &mut self.place {
            *place.alarm() = Some(alarm);
        }
    }

    /// Receives the rest of the last answer in the background, and returns the connection then.
    fn drain(&mut self, place: bb8::PooledConnection<'static, Places>) {
        let (pool, turn) = (self.pool.clone(), self.turn.take());
        let mut rest = Self { place: Some(place), pool, turn, is_drained: true };
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move { rest.deref_mut().drain().await });
    }

    /// Ends a session for which the server still works, in the background.
    fn abandon(&mut self, conn: Conn) {
        self.pool.counters.closed(CloseReason::Abandoned);
        let pool = Arc::downgrade(&self.pool);
        self.end_behind(async move {
            let silent = conn.silent_for();
            let began = Instant::now();
            if conn.cancel_and_close().await {
                return;
            }
            if let Some(pool) = pool.upgrade() {
                pool.begin_outage(Cause::Silent, silent + began.elapsed());
            }
        });
    }

    /// Ends a session in the background. The turn goes with it: nobody opens another one in its stead before it is gone.
    fn end_behind(&mut self, end: impl Future<Output = ()> + Send + 'static) {
        let turn = self.turn.take();
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move {
            end.await;
            drop(turn);
        });
    }
}

/// Why a connection is not handed out at once.
enum Doubt {
    /// It is of no further use.
    Unfit(CloseReason),
    /// It has rested, and is asked for a sign of life.
    Silent,
}

impl Inner {
    /// Counts a connection as closed. One that the server ended casts doubt on the others.
    fn note_closed(&self, reason: CloseReason, conn: &Conn) {
        if conn.is_closed() || reason == CloseReason::Dead {
            self.trust.doubt();
        }
        self.counters.closed(reason);
    }

    /// What keeps the connection in the place from being handed out without a question, at the moment `now`.
    fn doubt_about(&self, slot: &Slot, now: Instant, born_since: Option<Instant>) -> Option<Doubt> {
        if self.trust.is_outdated(slot) || born_since.is_some_and(|moment| slot.born() <= moment) {
            return Some(Doubt::Unfit(CloseReason::Dead));
        }
        if slot.is_expired(now) {
            return Some(Doubt::Unfit(CloseReason::Recycled));
        }
        if !slot.conn().is_some_and(Conn::is_reusable) {
            return Some(Doubt::Unfit(CloseReason::Broken));
        }
        (self.settings.pre_ping && self.trust.has_to_ask(slot, now)).then_some(Doubt::Silent)
    }

    /// Why the connection in the place cannot be handed out; `None` when it can.
    async fn unfitness(
        &self,
        slot: &mut Slot,
        now: Instant,
        deadline: Deadline,
        born_since: Option<Instant>,
    ) -> Option<CloseReason> {
        match self.doubt_about(slot, now, born_since)? {
            Doubt::Unfit(reason) => return Some(reason),
            Doubt::Silent => {}
        }
        let (last_used, until) = (slot.last_used(), deadline.at_most(PING_LIMIT));
        let conn = slot.conn_mut()?;
        if matches!(timeout_at(until.instant(), conn.ping()).await, Ok(Ok(()))) {
            return None;
        }
        // What was born since may be on a server that came back.
        self.trust.outdate(last_used);
        Some(CloseReason::Dead)
    }

    /// Why a connection that came back at the moment `now` is not kept; `None` when it is.
    fn reason_to_close(self: &Arc<Self>, slot: &Slot, now: Instant) -> Option<CloseReason> {
        let conn = slot.conn()?;
        if !conn.is_reusable() {
            let is_sound = conn.is_altered() && !conn.is_closed();
            return Some(if is_sound { CloseReason::Altered } else { CloseReason::Broken });
        }
        if self.trust.is_outdated(slot) {
            return Some(CloseReason::Dead);
        }
        if slot.is_expired(now) {
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

impl Pooled {
    /// Runs `work` in a transaction: see [`Conn::transaction`].
    ///
    /// # Errors
    /// As [`Conn::transaction`].
    pub async fn transaction<T, E, F>(&mut self, work: F) -> Result<T, E>
    where
        F: NestedWork<T, E>,
        E: From<diesel::result::Error> + Send,
        T: Send,
    {
        Conn::transaction(self, work).await
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        let Some(mut place) = self.place.take() else { return };
        if let Some(loan) = place.loan() {
            loan.take_back();
        }
        let now = Instant::now();
        place.touch(now);
        if !self.is_drained && place.conn().is_some_and(Conn::is_receiving) {
            return self.drain(place);
        }
        if place.conn().is_some_and(Conn::discredits_older_sessions) {
            self.pool.trust.outdate_once(now);
        }
        if place.conn().is_some_and(Conn::is_busy) {
            if let Some(conn) = place.take() {
                self.abandon(conn);
            }
        } else if let Some(reason) = self.pool.reason_to_close(&place, now)
            && let Some(conn) = place.take()
        {
            self.pool.note_closed(reason, &conn);
            self.end_behind(conn.end());
        }
        if let Some(conn) = place.conn_mut() {
            conn.bound_statement_cache();
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
