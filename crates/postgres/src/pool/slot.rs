//! A place in the pool: bb8 keeps the ledger of places, the pool itself puts connections into them.
//!
//! bb8 connects in the background, repeats on its own schedule, and tells its callers nothing but "timed out". So its
//! `connect` only makes an empty place; the borrower connects, and learns at once why it could not.

use crate::Conn;
use std::convert::Infallible;
use std::time::Duration;
use tokio::time::Instant;

/// A place, with a connection or without one.
#[derive(Debug)]
pub(super) struct Slot {
    conn: Option<Conn>,
    born: Instant,
    last_used: Instant,
    expires: Instant,
}

impl Slot {
    pub(super) fn empty() -> Self {
        let now = Instant::now();
        Self { conn: None, born: now, last_used: now, expires: now }
    }

    /// A place with a fresh connection that is to be replaced after `life`.
    pub(super) fn with(conn: Conn, life: Duration) -> Self {
        let now = Instant::now();
        Self { conn: Some(conn), born: now, last_used: now, expires: now + life }
    }

    pub(super) fn conn(&self) -> Option<&Conn> {
        self.conn.as_ref()
    }

    pub(super) fn conn_mut(&mut self) -> Option<&mut Conn> {
        self.conn.as_mut()
    }

    /// Takes the connection out; the place is then given up on return.
    pub(super) fn take(&mut self) -> Option<Conn> {
        self.conn.take()
    }

    pub(super) fn touch(&mut self) {
        self.last_used = Instant::now();
    }

    pub(super) fn rested(&self) -> Duration {
        self.last_used.elapsed()
    }

    pub(super) fn last_used(&self) -> Instant {
        self.last_used
    }

    pub(super) fn is_expired(&self) -> bool {
        Instant::now() >= self.expires
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
