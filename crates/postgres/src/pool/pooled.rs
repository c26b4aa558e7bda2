//! A borrowed connection: how it is made ready for its borrower, and what becomes of it on return.

use super::slot::{Places, Slot};
use super::{Inner, outage};
use crate::Conn;
use crate::error::{ConnectError, Error};
use std::ops::{Deref, DerefMut};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};

/// A connection that was used this short a time ago is taken to be alive.
const FRESH: Duration = Duration::from_millis(500);

/// The longest wait for a sign of life.
const PING_LIMIT: Duration = Duration::from_secs(2);

/// A connection on loan from the pool. On return it is kept, or closed when it is of no further use: an open
/// transaction, an outstanding answer (the server is asked to stop first), an error that ends the session, its age.
pub struct Pooled {
    /// Present until the drop.
    pub(super) place: Option<bb8::PooledConnection<'static, Places>>,
    pub(super) pool: Arc<Inner>,
    pub(super) turn: Option<OwnedSemaphorePermit>,
}

impl Pooled {
    /// Makes sure that there is a living connection in the place.
    pub(super) async fn furnish(&mut self) -> Result<(), Error> {
        let Some(place) = &mut self.place else {
            return Err(Error::PoolClosed);
        };
        if !self.pool.is_usable(place).await {
            // The dead one goes first: never more sessions than places.
            drop(place.take());
            **place = Slot::with(self.pool.connect().await?, self.pool.settings.recycle);
        }
        self.begin_unit();
        Ok(())
    }
}

impl Inner {
    /// Whether the place holds a connection that can be handed out.
    async fn is_usable(&self, slot: &mut Slot) -> bool {
        let valid_from = *self.valid_from.lock().unwrap_or_else(PoisonError::into_inner);
        let outdated = slot.is_expired() || slot.is_older_than(valid_from);
        let rested = slot.rested();
        let Some(conn) = slot.conn_mut().filter(|conn| !outdated && conn.is_reusable()) else {
            return false;
        };
        if rested < FRESH || !self.settings.pre_ping {
            return true;
        }
        let alive = matches!(timeout(PING_LIMIT, conn.ping()).await, Ok(Ok(())));
        if !alive {
            *self.valid_from.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        }
        alive
    }

    /// A fresh connection; during an outage its cause, at once.
    async fn connect(self: &Arc<Self>) -> Result<Conn, ConnectError> {
        if let Some(outage) = self.outage() {
            return Err(outage.cause);
        }
        match outage::open(self).await {
            Ok(conn) => {
                self.opened.fetch_add(1, Relaxed);
                Ok(conn)
            }
            Err(cause) => {
                self.begin_outage(cause.clone());
                Err(cause)
            }
        }
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        let Some(mut place) = self.place.take() else { return };
        place.touch();
        if place.conn().is_some_and(Conn::is_busy) {
            // The turn goes with the session: nobody opens another one in its stead before it is gone.
            let (conn, turn) = (place.take(), self.turn.take());
            if let (Some(conn), Ok(runtime)) = (conn, Handle::try_current()) {
                runtime.spawn(async move {
                    conn.cancel_and_close().await;
                    drop(turn);
                });
            }
        } else if place.is_expired()
            || self.pool.slots.state().idle_connections >= self.pool.settings.pool_size
        {
            drop(place.take());
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
