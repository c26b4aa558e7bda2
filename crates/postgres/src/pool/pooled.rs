//! A borrowed connection: how it is made ready for its borrower, and what becomes of it on return.

use super::connect::NoConnection;
use super::counters::CloseReason;
use super::impairment::Cause;
use super::patience::Patience;
use super::slot::{Places, Slot};
use super::{Checkout, Inner, leaks};
use crate::Conn;
use crate::NestedWork;
use crate::activity::Moment;
use crate::alarm::Alarm;
use crate::error::Error;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use steadfast_resilience::Deadline;
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

/// How long a connection may take to give a sign of life.
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

    /// Returns true if the connection in the place can be handed out without a question to the server. Starts its unit
    /// of work in that case.
    pub(super) fn is_ready(&self, now: Instant, born_since: Option<Instant>) -> bool {
        let Some(place) = &self.place else { return false };
        let ready = self.pool.check_without_ping(place, now, born_since).is_none();
        if ready {
            self.begin_unit();
        }
        ready
    }

    /// Makes sure that there is a working connection in the place, and starts its unit of work.
    pub(super) async fn ensure_connected(
        mut self,
        checkout: &Checkout,
        now: Instant,
    ) -> Result<Self, NoConnection> {
        let Checkout { deadline, born_since, .. } = *checkout;
        let Some(place) = &self.place else { return Err(Error::PoolClosed.into()) };
        match self.pool.check_without_ping(place, now, born_since) {
            None => {}
            Some(Doubt::Unfit(reason)) => self.replace(reason, deadline).await?,
            Some(Doubt::Rested) => {
                self = self.ping_by(deadline).await?;
                if !self.has_connection() {
                    self.replace(CloseReason::Dead, deadline).await?;
                }
            }
        }
        self.begin_unit();
        Ok(self)
    }

    /// Opens a connection in place of the present one, if there is one. That one goes first: there are never more
    /// sessions than places. If none can be opened at present, the turn is withheld.
    async fn replace(&mut self, reason: CloseReason, deadline: Deadline) -> Result<(), NoConnection> {
        let Some(place) = &mut self.place else { return Err(Error::PoolClosed.into()) };
        if let Some(conn) = place.take() {
            self.pool.note_closed(reason, &conn);
            _ = timeout_at(deadline.instant(), conn.end()).await;
        }
        match self.pool.connect(deadline).await {
            Ok(conn) => **place = self.pool.slot_with(conn),
            Err(NoConnection::Impaired) => {
                drop(self.place.take());
                self.pool.impaired.withhold(self.turn.take());
                return Err(NoConnection::Impaired);
            }
            Err(failed) => return Err(failed),
        }
        Ok(())
    }

    /// Asks the connection for a sign of life. The question goes on when its caller leaves at the deadline: an answer
    /// that is not awaited says nothing about the connection. A dead connection is taken out of the place.
    async fn ping_by(mut self, deadline: Deadline) -> Result<Self, Error> {
        let (pool, began) = (self.pool.clone(), Instant::now());
        let pinging = tokio::spawn(async move {
            self.works(PING_LIMIT).await;
            self
        });
        match timeout_at(deadline.instant(), pinging).await {
            Ok(pinged) => pinged.map_err(|_| Error::PoolClosed),
            Err(_) => Err(Error::Deadline { limit: began.elapsed(), silent: pool.server.owing_for() }),
        }
    }

    /// Returns true if the connection in the place gives a sign of life. Takes out one that does not.
    pub(super) async fn works(&mut self, limit: Duration) -> bool {
        let Some(place) = &mut self.place else { return false };
        if !place.conn().is_some_and(Conn::is_reusable) {
            if let Some(conn) = place.take() {
                self.pool.note_closed(CloseReason::Broken, &conn);
            }
            return false;
        }
        let asked = Moment::now();
        let answers = match place.conn_mut() {
            Some(conn) => matches!(Patience::default().wait(limit, pin!(conn.ping())).await, Some(Ok(()))),
            None => false,
        };
        if !answers {
            self.take_dead(asked);
        }
        answers
    }

    /// Closes a connection that was asked at `asked` and did not answer. If the whole server was silent, older
    /// connections are taken to be dead too.
    fn take_dead(&mut self, asked: Moment) {
        let Some(place) = &mut self.place else { return };
        let last_used = place.last_used();
        if let Some(conn) = place.take() {
            if !conn.is_closed() && !self.pool.server.served_since(asked) {
                // What was born since may be on a server that came back.
                self.pool.trust.outdate(last_used);
            }
            self.pool.note_closed(CloseReason::Dead, &conn);
        }
    }

    fn has_connection(&self) -> bool {
        self.place.as_ref().is_some_and(|place| place.conn().is_some())
    }

    /// Gives up an empty place, and returns the turn.
    pub(super) fn into_turn(mut self) -> Option<OwnedSemaphorePermit> {
        drop(self.place.take());
        self.turn.take()
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
            let (began, asked) = (Instant::now(), Moment::now());
            if conn.cancel_and_close().await {
                return;
            }
            // A slow cancel proves nothing, so the prober finds out.
            if let Some(pool) = pool.upgrade().filter(|pool| !pool.server.served_since(asked)) {
                pool.impair(Cause::Silent, false, silent + began.elapsed());
            }
        });
    }

    /// Ends a session in the background. The turn goes with it: nobody opens another one in its stead before it is gone.
    fn end_behind(&mut self, end: impl Future<Output = ()> + Send + 'static) {
        let (turn, pool) = (self.turn.take(), self.pool.clone());
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move {
            end.await;
            // Who got it could open no other session at present, and would lose its place in the queue.
            pool.impaired.withhold(turn);
        });
    }
}

/// Why a connection is not handed out at once.
enum Doubt {
    /// It is of no further use.
    Unfit(CloseReason),
    /// It has rested, and is asked for a sign of life.
    Rested,
}

impl Inner {
    /// Counts a connection as closed. One that the server ended casts doubt on the others.
    fn note_closed(&self, reason: CloseReason, conn: &Conn) {
        if conn.is_closed() || reason == CloseReason::Dead {
            self.trust.doubt();
        }
        self.counters.closed(reason);
    }

    /// Returns what keeps the connection in the place from being handed out at the moment `now`.
    fn check_without_ping(&self, slot: &Slot, now: Instant, born_since: Option<Instant>) -> Option<Doubt> {
        if self.trust.is_outdated(slot) {
            return Some(Doubt::Unfit(CloseReason::Dead));
        }
        if slot.is_expired(now) {
            return Some(Doubt::Unfit(CloseReason::Recycled));
        }
        if !slot.conn().is_some_and(Conn::is_reusable) {
            return Some(Doubt::Unfit(CloseReason::Broken));
        }
        if born_since.is_some_and(|moment| slot.born() <= moment) {
            // No newer one can be opened then, and this one may work.
            let is_all_there_is = self.impaired.is_present();
            return Some(if is_all_there_is { Doubt::Rested } else { Doubt::Unfit(CloseReason::Dead) });
        }
        (self.settings.pre_ping && self.trust.has_to_ask(slot, now)).then_some(Doubt::Rested)
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
        if self.is_closed() {
            return Some(CloseReason::Disposed);
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

/// Unreachable by construction: only [`Pooled::ensure_connected`] hands out, and only the drop takes the connection away.
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
