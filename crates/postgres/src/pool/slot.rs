//! A place in the pool: bb8 keeps the ledger of places, the pool itself puts connections into them.
//!
//! bb8 connects in the background, repeats on its own schedule, and tells its callers nothing but "timed out". So its
//! `connect` only makes an empty place; the borrower connects, and learns at once why it could not.

use super::leaks::Loan;
use crate::Conn;
use crate::alarm::Alarm;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A place, with a connection or without one.
#[derive(Debug)]
pub(super) struct Slot {
    /// In a box, since bb8 moves its places about.
    conn: Option<Box<Conn>>,
    /// Who has it; none in an empty place.
    loan: Option<Arc<Loan>>,
    /// Away while a unit of work runs.
    alarm: Option<Alarm>,
    born: Instant,
    last_used: Instant,
    expires: Instant,
}

impl Slot {
    pub(super) fn empty() -> Self {
        let now = Instant::now();
        Self { conn: None, loan: None, alarm: None, born: now, last_used: now, expires: now }
    }

    /// A place with a fresh connection that is to be replaced after `life`.
    pub(super) fn with(conn: Conn, life: Duration, loan: Arc<Loan>) -> Self {
        let now = Instant::now();
        let (conn, loan, alarm) = (Some(Box::new(conn)), Some(loan), Some(Alarm::new(now)));
        Self { conn, loan, alarm, born: now, last_used: now, expires: now + life }
    }

    pub(super) fn conn(&self) -> Option<&Conn> {
        self.conn.as_deref()
    }

    pub(super) fn conn_mut(&mut self) -> Option<&mut Conn> {
        self.conn.as_deref_mut()
    }

    /// Takes the connection out; the place is then given up on return.
    pub(super) fn take(&mut self) -> Option<Conn> {
        self.conn.take().map(|conn| *conn)
    }

    pub(super) fn loan(&self) -> Option<&Loan> {
        self.loan.as_deref()
    }

    pub(super) fn alarm(&mut self) -> &mut Option<Alarm> {
        &mut self.alarm
    }

    pub(super) fn touch(&mut self, now: Instant) {
        self.last_used = now;
    }

    pub(super) fn last_used(&self) -> Instant {
        self.last_used
    }

    pub(super) fn is_expired(&self, now: Instant) -> bool {
        now >= self.expires
    }

    pub(super) fn born(&self) -> Instant {
        self.born
    }
}

/// What bb8 manages: places, not connections.
#[derive(Debug)]
pub(super) struct Places;

impl bb8::ManageConnection for Places {
    type Connection = Slot;
    type Error = Infallible;

    async fn connect(&self) -> Result<Slot, Infallible> {
        Ok(Slot::empty())
    }

    async fn is_valid(&self, _: &mut Slot) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, slot: &mut Slot) -> bool {
        !slot.conn().is_some_and(Conn::is_reusable)
    }
}
