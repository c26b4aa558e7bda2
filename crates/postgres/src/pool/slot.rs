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
///
/// In a box, since bb8 moves its places about.
#[derive(Debug)]
pub(super) struct Slot(Box<Seat>);

#[derive(Debug)]
struct Seat {
    conn: Option<Conn>,
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
        Self(Box::new(Seat { conn: None, loan: None, alarm: None, born: now, last_used: now, expires: now }))
    }

    /// A place with a fresh connection that is to be replaced after `life`.
    pub(super) fn with(conn: Conn, life: Duration, loan: Arc<Loan>) -> Self {
        let now = Instant::now();
        let (conn, loan, alarm) = (Some(conn), Some(loan), Some(Alarm::new(now)));
        Self(Box::new(Seat { conn, loan, alarm, born: now, last_used: now, expires: now + life }))
    }

    pub(super) fn conn(&self) -> Option<&Conn> {
        self.0.conn.as_ref()
    }

    pub(super) fn conn_mut(&mut self) -> Option<&mut Conn> {
        self.0.conn.as_mut()
    }

    /// Takes the connection out; the place is then given up on return.
    pub(super) fn take(&mut self) -> Option<Conn> {
        self.0.conn.take()
    }

    pub(super) fn loan(&self) -> Option<&Loan> {
        self.0.loan.as_deref()
    }

    pub(super) fn alarm(&mut self) -> &mut Option<Alarm> {
        &mut self.0.alarm
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

    pub(super) fn born(&self) -> Instant {
        self.0.born
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

    /// Who returned it has looked already, and taken out what cannot be used again.
    fn has_broken(&self, slot: &mut Slot) -> bool {
        slot.conn().is_none()
    }
}
