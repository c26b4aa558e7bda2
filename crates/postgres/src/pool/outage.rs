//! One outage of the server: the first caller that cannot connect starts it, one prober for the whole pool ends it.

use super::Inner;
use super::slot::Slot;
use crate::Conn;
use crate::error::ConnectError;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// The pause between two attempts of the prober: at most five connects a second for the whole pool.
const PAUSE: Duration = Duration::from_millis(200);

/// What is added to the pause by chance, so that many instances do not knock together.
const SPREAD: Duration = Duration::from_millis(50);

/// The longest that one attempt may take: a black hole does not answer at all.
pub(super) const ATTEMPT: Duration = Duration::from_secs(5);

/// The server cannot be reached since, and why.
#[derive(Clone, Debug)]
pub(crate) struct Outage {
    pub(super) since: Instant,
    pub(super) cause: ConnectError,
}

/// Knocks until the server lets somebody in, then ends the outage. Ends early when the pool is gone.
pub(super) async fn probe(pool: Weak<Inner>) {
    loop {
        tokio::time::sleep(PAUSE + SPREAD.mul_f64(rand::random::<f64>())).await;
        let Some(pool) = pool.upgrade().filter(|pool| !pool.turns.is_closed()) else {
            return;
        };
        match open(&pool).await {
            Ok(conn) => return pool.end_outage(conn),
            Err(cause) => pool.renew_outage(cause),
        }
    }
}

/// Opens one connection within the time of an attempt.
pub(super) async fn open(pool: &Arc<Inner>) -> Result<Conn, ConnectError> {
    let opened = timeout(ATTEMPT, Conn::open(pool.target.clone())).await;
    opened
        .unwrap_or_else(|_| Err(pool.target.unreachable(format!("no answer within {} s", ATTEMPT.as_secs()))))
}

impl Inner {
    /// Why nobody can connect at present.
    pub(super) fn outage(&self) -> Option<Outage> {
        self.outage.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Starts an outage, unless one is on.
    pub(super) fn begin_outage(self: &Arc<Self>, cause: ConnectError) {
        let mut outage = self.outage.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if outage.is_none() {
            tracing::error!(%cause, "the database cannot be reached");
            *outage = Some(Outage { since: Instant::now(), cause });
            tokio::spawn(probe(Arc::downgrade(self)));
        }
    }

    fn renew_outage(&self, cause: ConnectError) {
        let mut outage = self.outage.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(outage) = outage.as_mut() {
            outage.cause = cause;
        }
    }

    fn end_outage(&self, conn: Conn) {
        let ended = self.outage.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        // A full pool has no use for one more; then it just closes.
        _ = self.slots.add(Slot::with(conn, self.settings.recycle));
        (self.on_reached)();
        if let Some(outage) = ended {
            tracing::info!(outage_s = outage.since.elapsed().as_secs_f64(), "the database answers again");
        }
    }
}
