//! Slots of the pool. bb8 manages the slots; the pool itself puts connections into them.
//!
//! If bb8 opened connections, it would do so in the background with its own retries, and report nothing but a timeout.
//! So its `connect` only creates an empty slot; the borrower connects and learns the cause of a failure immediately.

use super::leaks::Loan;
use crate::Conn;
use crate::deadline_timer::DeadlineTimer;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A slot that is taken out of bb8's pool.
pub(super) type PooledSlot = bb8::PooledConnection<'static, Slots>;

/// A slot, with or without a connection. Boxed because bb8 moves its items.
#[derive(Debug)]
pub(super) struct Slot(Box<SlotState>);

#[derive(Debug)]
struct SlotState {
    conn: Option<Conn>,
    /// Loan of the connection; `None` in an empty slot.
    loan: Option<Arc<Loan>>,
    /// `None` while a unit of work runs.
    timer: Option<DeadlineTimer>,
    opened_at: Instant,
    last_used: Instant,
    expires: Instant,
}

impl Slot {
    pub(super) fn empty() -> Self {
        let now = Instant::now();
        Self(Box::new(SlotState {
            conn: None,
            loan: None,
            timer: None,
            opened_at: now,
            last_used: now,
            expires: now,
        }))
    }

    /// Returns a slot with a new connection that is to be replaced after `life`.
    pub(super) fn with(conn: Conn, life: Duration, loan: Arc<Loan>) -> Self {
        let now = Instant::now();
        let (conn, loan, timer) = (Some(conn), Some(loan), Some(DeadlineTimer::new(now)));
        Self(Box::new(SlotState { conn, loan, timer, opened_at: now, last_used: now, expires: now + life }))
    }

    pub(super) fn conn(&self) -> Option<&Conn> {
        self.0.conn.as_ref()
    }

    pub(super) fn conn_mut(&mut self) -> Option<&mut Conn> {
        self.0.conn.as_mut()
    }

    /// Takes the connection out. The slot is then discarded on return.
    pub(super) fn take(&mut self) -> Option<Conn> {
        self.0.conn.take()
    }

    pub(super) fn loan(&self) -> Option<&Loan> {
        self.0.loan.as_deref()
    }

    pub(super) fn timer(&mut self) -> &mut Option<DeadlineTimer> {
        &mut self.0.timer
    }

    pub(super) fn touch(&mut self, now: Instant) {
        self.0.last_used = now;
    }

    pub(super) fn last_used(&self) -> Instant {
        self.0.last_used
    }

    pub(super) fn is_expired(&self, now: Instant) -> bool {
        now >= self.0.expires
    }

    pub(super) fn opened_at(&self) -> Instant {
        self.0.opened_at
    }
}

/// Manager of slots for bb8.
#[derive(Debug)]
pub(super) struct Slots;

impl bb8::ManageConnection for Slots {
    type Connection = Slot;
    type Error = Infallible;

    async fn connect(&self) -> Result<Slot, Infallible> {
        Ok(Slot::empty())
    }

    async fn is_valid(&self, _: &mut Slot) -> Result<(), Infallible> {
        Ok(())
    }

    /// Returns true if the slot is empty: borrowers remove connections that cannot be reused.
    fn has_broken(&self, slot: &mut Slot) -> bool {
        slot.conn().is_none()
    }
}
