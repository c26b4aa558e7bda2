//! Borrowed connections: checks before use, and reuse or closing on return.

use super::connect::NoConnection;
use super::counters::CloseReason;
use super::impairment::Cause;
use super::scheduled_timeout::ScheduledTimeout;
use super::slot::{PooledSlot, Slot};
use super::{Checkout, Inner, leaks};
use crate::Conn;
use crate::NestedWork;
use crate::activity::Moment;
use crate::deadline_timer::DeadlineTimer;
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

/// Time limit for a ping.
const PING_LIMIT: Duration = Duration::from_secs(2);

/// A connection borrowed from the pool.
///
/// On return the pool reuses it, or closes it if it has an open transaction, an outstanding answer (the server is asked
/// to cancel first), an error that ends the session, or reached its maximum age.
pub struct Pooled {
    /// `Some` until the drop.
    slot: Option<PooledSlot>,
    pool: Arc<Inner>,
    permit: Option<OwnedSemaphorePermit>,
    /// True if the borrower has returned the connection and the rest of its last answer was received.
    is_drained: bool,
}

impl Pooled {
    pub(super) fn new(slot: PooledSlot, pool: Arc<Inner>, permit: OwnedSemaphorePermit) -> Self {
        Self { slot: Some(slot), pool, permit: Some(permit), is_drained: false }
    }

    /// Returns true if the connection in the slot can be used without a ping, and starts its unit of work in that case.
    pub(super) fn is_ready(&self, now: Instant, opened_after: Option<Instant>) -> bool {
        let Some(slot) = &self.slot else { return false };
        let ready = self.pool.check_without_ping(slot, now, opened_after).is_none();
        if ready {
            self.begin_unit();
        }
        ready
    }

    /// Ensures that the slot has a working connection, and starts its unit of work.
    pub(super) async fn ensure_connected(
        mut self,
        checkout: &Checkout,
        now: Instant,
    ) -> Result<Self, NoConnection> {
        let Checkout { deadline, opened_after, .. } = *checkout;
        let Some(slot) = &self.slot else { return Err(Error::PoolClosed.into()) };
        match self.pool.check_without_ping(slot, now, opened_after) {
            None => {}
            Some(Unready::Unfit(reason)) => self.replace(reason, deadline).await?,
            Some(Unready::NeedsPing) => {
                self = self.ping_by(deadline).await?;
                if !self.has_connection() {
                    self.replace(CloseReason::Dead, deadline).await?;
                }
            }
        }
        self.begin_unit();
        Ok(self)
    }

    /// Replaces the connection in the slot, if any, with a new one. The old one is closed first, so that there are
    /// never more sessions than slots. If no connection can be opened at present, the permit is withheld.
    async fn replace(&mut self, reason: CloseReason, deadline: Deadline) -> Result<(), NoConnection> {
        let Some(slot) = &mut self.slot else { return Err(Error::PoolClosed.into()) };
        if let Some(conn) = slot.take() {
            self.pool.note_closed(reason, &conn);
            _ = timeout_at(deadline.instant(), conn.end()).await;
        }
        match self.pool.connect(deadline).await {
            Ok(conn) => **slot = self.pool.slot_with(conn),
            Err(NoConnection::Impaired) => {
                drop(self.slot.take());
                self.pool.impaired.withhold(self.permit.take());
                return Err(NoConnection::Impaired);
            }
            Err(failed) => return Err(failed),
        }
        Ok(())
    }

    /// Pings the connection. The ping continues if its caller leaves at the deadline, since an answer that is not
    /// awaited proves nothing about the connection. A dead connection is removed from the slot.
    async fn ping_by(mut self, deadline: Deadline) -> Result<Self, Error> {
        let (pool, began) = (self.pool.clone(), Instant::now());
        let pinging = tokio::spawn(async move {
            self.is_alive(PING_LIMIT).await;
            self
        });
        match timeout_at(deadline.instant(), pinging).await {
            Ok(pinged) => pinged.map_err(|_| Error::PoolClosed),
            Err(_) => Err(Error::Deadline { limit: began.elapsed(), silent: pool.server.unanswered_for() }),
        }
    }

    /// Returns true if the connection in the slot responds to a ping; removes it otherwise.
    pub(super) async fn is_alive(&mut self, limit: Duration) -> bool {
        let Some(slot) = &mut self.slot else { return false };
        if !slot.conn().is_some_and(Conn::is_reusable) {
            if let Some(conn) = slot.take() {
                self.pool.note_closed(CloseReason::Broken, &conn);
            }
            return false;
        }
        let asked = Moment::now();
        let answers = match slot.conn_mut() {
            Some(conn) => {
                matches!(ScheduledTimeout::default().wait(limit, pin!(conn.ping())).await, Some(Ok(())))
            }
            None => false,
        };
        if !answers {
            self.remove_dead(asked);
        }
        answers
    }

    /// Closes a connection that did not respond to the ping sent at `asked`. If the whole server was silent, older
    /// connections are assumed to be dead too.
    fn remove_dead(&mut self, asked: Moment) {
        let Some(slot) = &mut self.slot else { return };
        let last_used = slot.last_used();
        if let Some(conn) = slot.take() {
            if !conn.is_closed() && !self.pool.server.served_since(asked) {
                // Connections opened since then may belong to a server that has recovered.
                self.pool.freshness.invalidate_opened_before(last_used);
            }
            self.pool.note_closed(CloseReason::Dead, &conn);
        }
    }

    fn has_connection(&self) -> bool {
        self.slot.as_ref().is_some_and(|slot| slot.conn().is_some())
    }

    /// Gives up an empty slot and returns the permit.
    pub(super) fn into_permit(mut self) -> Option<OwnedSemaphorePermit> {
        drop(self.slot.take());
        self.permit.take()
    }

    /// Records the borrower of the connection.
    pub(super) fn mark_borrowed(&mut self, borrower: &'static str, now: Instant) {
        if let Some(loan) = self.slot.as_ref().and_then(|slot| slot.loan()) {
            loan.begin(borrower, now);
        }
        if self.pool.borrowers.claim_watch() {
            tokio::spawn(leaks::watch(Arc::downgrade(&self.pool)));
        }
    }

    /// Takes the deadline timer of the connection while a unit of work runs.
    pub(crate) fn take_timer(&mut self) -> Option<DeadlineTimer> {
        self.slot.as_mut()?.timer().take()
    }

    /// Returns the deadline timer for the next unit of work.
    pub(crate) fn put_timer(&mut self, timer: DeadlineTimer) {
        if let Some(slot) = &mut self.slot {
            *slot.timer() = Some(timer);
        }
    }

    /// Receives the rest of the last answer in the background, then returns the connection.
    fn drain(&mut self, slot: PooledSlot) {
        let (pool, permit) = (self.pool.clone(), self.permit.take());
        let mut rest = Self { slot: Some(slot), pool, permit, is_drained: true };
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move { rest.deref_mut().drain().await });
    }

    /// Cancels and closes a busy session in the background.
    fn abandon(&mut self, conn: Conn) {
        self.pool.counters.closed(CloseReason::Abandoned);
        let pool = Arc::downgrade(&self.pool);
        self.end_in_background(async move {
            let silent = conn.silent_for();
            let (began, asked) = (Instant::now(), Moment::now());
            if conn.cancel_and_close().await {
                return;
            }
            // A slow cancellation proves nothing, so the prober checks the server.
            if let Some(pool) = pool.upgrade().filter(|pool| !pool.server.served_since(asked)) {
                pool.impair(Cause::Silent, false, silent + began.elapsed());
            }
        });
    }

    /// Closes a session in the background. It holds its permit until it is closed, so that no replacement exceeds the
    /// maximum.
    fn end_in_background(&mut self, end: impl Future<Output = ()> + Send + 'static) {
        let (permit, pool) = (self.permit.take(), self.pool.clone());
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move {
            end.await;
            // A caller with this permit could not connect at present and would lose its position in the queue.
            pool.impaired.withhold(permit);
        });
    }
}

/// Reason why a connection cannot be used immediately.
enum Unready {
    /// The connection must be replaced.
    Unfit(CloseReason),
    /// The connection must be pinged first.
    NeedsPing,
}

impl Inner {
    /// Counts a connection as closed. If the server ended it, all others become suspect.
    fn note_closed(&self, reason: CloseReason, conn: &Conn) {
        if conn.is_closed() || reason == CloseReason::Dead {
            self.freshness.suspect_all();
        }
        self.counters.closed(reason);
    }

    /// Returns why the connection in the slot cannot be used immediately, if there is a reason.
    fn check_without_ping(
        &self,
        slot: &Slot,
        now: Instant,
        opened_after: Option<Instant>,
    ) -> Option<Unready> {
        if self.freshness.is_invalidated(slot) {
            return Some(Unready::Unfit(CloseReason::Dead));
        }
        if slot.is_expired(now) {
            return Some(Unready::Unfit(CloseReason::Recycled));
        }
        if !slot.conn().is_some_and(Conn::is_reusable) {
            return Some(Unready::Unfit(CloseReason::Broken));
        }
        if opened_after.is_some_and(|moment| slot.opened_at() <= moment) {
            // No newer connection can be opened then, and this one may work.
            let is_all_there_is = self.impaired.is_present();
            return Some(if is_all_there_is {
                Unready::NeedsPing
            } else {
                Unready::Unfit(CloseReason::Dead)
            });
        }
        (self.settings.pre_ping && self.freshness.needs_ping(slot, now)).then_some(Unready::NeedsPing)
    }

    /// Returns why a returned connection must be closed; `None` if it is reused.
    fn reason_to_close(self: &Arc<Self>, slot: &Slot, now: Instant) -> Option<CloseReason> {
        let conn = slot.conn()?;
        if !conn.is_reusable() {
            let is_sound = conn.is_altered() && !conn.is_closed();
            return Some(if is_sound { CloseReason::Altered } else { CloseReason::Broken });
        }
        if self.freshness.is_invalidated(slot) {
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
        // A null pool has no idle connections, regardless of the linger time.
        if self.settings.linger.is_zero() || self.settings.pool_size == 0 {
            return Some(CloseReason::Overflow);
        }
        self.start_sweep();
        None
    }
}

impl Pooled {
    /// Runs `work` in a transaction. See [`Conn::transaction`].
    ///
    /// # Errors
    /// Returns the same errors as [`Conn::transaction`].
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
        let Some(mut slot) = self.slot.take() else { return };
        if let Some(loan) = slot.loan() {
            loan.end();
        }
        let now = Instant::now();
        slot.touch(now);
        if !self.is_drained && slot.conn().is_some_and(Conn::is_receiving) {
            return self.drain(slot);
        }
        if slot.conn().is_some_and(Conn::invalidates_older_sessions) {
            self.pool.freshness.invalidate_opened_before_throttled(now);
        }
        if slot.conn().is_some_and(Conn::is_busy) {
            if let Some(conn) = slot.take() {
                self.abandon(conn);
            }
        } else if let Some(reason) = self.pool.reason_to_close(&slot, now)
            && let Some(conn) = slot.take()
        {
            self.pool.note_closed(reason, &conn);
            self.end_in_background(conn.end());
        }
        if let Some(conn) = slot.conn_mut() {
            conn.bound_statement_cache();
        }
        // The slot is returned before the permit, so that the next caller finds it.
        drop(slot);
    }
}

/// Unreachable: [`Pooled::ensure_connected`] fills the slot, and only the drop empties it.
const HAS_CONNECTION: &str = "a borrowed slot holds its connection until it is returned";

#[expect(clippy::expect_used, reason = "see HAS_CONNECTION")]
impl Deref for Pooled {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        self.slot.as_ref().and_then(|slot| slot.conn()).expect(HAS_CONNECTION)
    }
}

#[expect(clippy::expect_used, reason = "see HAS_CONNECTION")]
impl DerefMut for Pooled {
    fn deref_mut(&mut self) -> &mut Conn {
        self.slot.as_mut().and_then(|slot| slot.conn_mut()).expect(HAS_CONNECTION)
    }
}

impl std::fmt::Debug for Pooled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Pooled").field(&self.slot.as_ref().and_then(|slot| slot.conn())).finish()
    }
}
