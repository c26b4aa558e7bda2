//! One outage of the server: the first caller that cannot connect starts it, one prober for the whole pool ends it.

use super::Inner;
use super::slot::Slot;
use crate::Conn;
use crate::error::ConnectError;
use std::sync::{Arc, Weak};
use std::time::Duration;
use steadfast_resilience::Deadline;
use tokio::time::{Instant, timeout, timeout_at};

/// The pause between two attempts of the prober: at most five connects a second for the whole pool.
const PAUSE: Duration = Duration::from_millis(200);

/// What is added to the pause by chance, so that many instances do not knock together.
const SPREAD: Duration = Duration::from_millis(50);

/// The longest that one attempt may take: a black hole does not answer at all.
const ATTEMPT: Duration = Duration::from_secs(2);

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
        match timeout(ATTEMPT, Conn::open(pool.target.clone())).await {
            Ok(Ok(conn)) => return pool.end_outage(conn),
            Ok(Err(cause)) => pool.renew_outage(cause),
            Err(_) => pool.renew_outage(pool.no_answer(ATTEMPT)),
        }
    }
}

impl Inner {
    /// A fresh connection, at the latest at `deadline`; during an outage its cause, at once. Few connect at a time, and
    /// those who wait for their turn to do so learn with the first that it is in vain.
    pub(super) async fn connect(self: &Arc<Self>, deadline: Deadline) -> Result<Conn, ConnectError> {
        self.refuse_during_outage()?;
        let until = deadline.at_most(ATTEMPT);
        let connecting = timeout_at(until.instant(), self.connecting.acquire()).await;
        self.refuse_during_outage()?;
        let opened = match connecting {
            Ok(_few) => timeout_at(until.instant(), Conn::open(self.target.clone())).await,
            Err(elapsed) => Err(elapsed),
        };
        match opened {
            Ok(Ok(conn)) => {
                self.counters.opened();
                Ok(conn)
            }
            Ok(Err(cause)) => Err(self.begin_outage(cause)),
            // A caller in a hurry proves nothing; one that waited as long as anybody would does.
            Err(_) if until < deadline => Err(self.begin_outage(self.no_answer(ATTEMPT))),
            Err(_) => Err(self.no_answer(Duration::ZERO)),
        }
    }

    /// The server took the connection, or not even that, and said nothing.
    pub(super) fn no_answer(&self, waited: Duration) -> ConnectError {
        let silent = self.heard.silent_for().max(waited);
        self.target.unreachable(format!("no answer from the server for {:.1} s", silent.as_secs_f64()))
    }

    fn refuse_during_outage(&self) -> Result<(), ConnectError> {
        match self.outage() {
            Some(outage) => Err(outage.cause),
            None => Ok(()),
        }
    }

    /// Why nobody can connect at present.
    pub(super) fn outage(&self) -> Option<Outage> {
        self.outage.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Starts an outage, unless one is on; gives its cause back.
    pub(super) fn begin_outage(self: &Arc<Self>, cause: ConnectError) -> ConnectError {
        let mut outage = self.outage.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if outage.is_none() {
            tracing::error!(%cause, "the database cannot be reached");
            *outage = Some(Outage { since: Instant::now(), cause: cause.clone() });
            tokio::spawn(probe(Arc::downgrade(self)));
        }
        cause
    }

    fn renew_outage(&self, cause: ConnectError) {
        let mut outage = self.outage.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(outage) = outage.as_mut() {
            outage.cause = cause;
        }
    }

    fn end_outage(&self, conn: Conn) {
        let ended = self.outage.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        self.counters.opened();
        // A full pool has no use for one more; then it just closes.
        _ = self.slots.add(Slot::with(conn, self.settings.recycle));
        (self.on_reached)();
        if let Some(outage) = ended {
            tracing::info!(outage_s = outage.since.elapsed().as_secs_f64(), "the database answers again");
        }
    }
}
