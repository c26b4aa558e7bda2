//! One outage of the server: the first caller that cannot connect starts it, one prober for the whole pool ends it.

use super::{CloseReason, Inner, Pooled};
use crate::Conn;
use crate::error::{ConnectError, Error};
use std::sync::{Arc, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use steadfast_resilience::Deadline;
use tokio::time::{Instant, timeout_at};

/// The pause between two attempts of the prober: at most five connects a second for the whole pool.
const PAUSE: Duration = Duration::from_millis(200);

/// What is added to the pause by chance, so that many instances do not knock together.
const SPREAD: Duration = Duration::from_millis(10);

/// A caller whose deadline leaves less than this to a connect proves nothing when it fails.
const HURRY: Duration = Duration::from_millis(250);

/// The server cannot be reached since, and why.
#[derive(Clone, Debug)]
pub(crate) struct Outage {
    pub(super) since: Instant,
    pub(super) cause: Cause,
}

#[derive(Clone, Debug)]
pub(super) enum Cause {
    /// It refused, or is not there.
    Refused(ConnectError),
    /// It takes connections, or not even that, and says nothing.
    Silent,
}

/// Knocks until the server lets somebody in, then ends the outage. Ends early when the pool is gone.
pub(super) async fn probe(pool: Weak<Inner>) {
    loop {
        tokio::time::sleep(PAUSE + SPREAD.mul_f64(rand::random::<f64>())).await;
        let Some(pool) = pool.upgrade().filter(|pool| !pool.turns.is_closed()) else {
            return;
        };
        match pool.knock().await {
            Ok(()) => return pool.end_outage(),
            Err(cause) => pool.renew_outage(cause),
        }
    }
}

impl Inner {
    /// A fresh connection, at the latest at `deadline`; during an outage its cause, at once. Few connect at a time, and
    /// those who wait for their turn to do so learn with the first that it is in vain. After a session broke, one connects
    /// alone and the others wait for what it learns.
    ///
    /// # Errors
    /// [`Error::Connect`]; [`Error::Deadline`] when the caller's time was over before anything was learnt of the server.
    pub(super) async fn connect(self: &Arc<Self>, deadline: Deadline) -> Result<Conn, Error> {
        let began = Instant::now();
        let out_of_time = |silent| Error::Deadline { limit: began.elapsed(), silent };
        let by = deadline.instant();
        self.refuse_during_outage()?;
        let scout = match self.trust.is_server_doubted() {
            true => Some(timeout_at(by, self.scout.lock()).await.map_err(|_| out_of_time(Duration::ZERO))?),
            false => None,
        };
        self.refuse_during_outage()?;
        let _scout = scout.filter(|_| self.trust.is_server_doubted());
        // Closed by nobody.
        let few = timeout_at(by, self.connecting.acquire()).await;
        let _few = few.map_err(|_| out_of_time(Duration::ZERO))?;
        self.refuse_during_outage()?;
        let asked = Instant::now();
        // Only from here on is silence the server's: the wait for one's turn is no sign of it.
        match timeout_at(deadline.at_most(self.target.connect_limit()).instant(), self.open()).await {
            Ok(opened) => opened.map_err(|cause| self.refused(cause).into()),
            Err(_) if asked.elapsed() < HURRY => Err(out_of_time(asked.elapsed())),
            Err(_) => {
                self.begin_outage(Cause::Silent, asked.elapsed());
                Err(self.no_answer(asked.elapsed()).into())
            }
        }
    }

    /// Nobody was let in, for this cause: an outage from now on, unless one is on.
    fn refused(self: &Arc<Self>, cause: ConnectError) -> ConnectError {
        self.begin_outage(Cause::Refused(cause.clone()), Duration::ZERO);
        cause
    }

    /// A fresh connection, outage or not, as long as it takes.
    pub(super) async fn open(&self) -> Result<Conn, ConnectError> {
        let conn = Conn::open(self.target.clone()).await?;
        self.trust.reached();
        self.counters.opened();
        Ok(conn)
    }

    /// Finds out whether the server lets somebody in. Takes a turn like everybody, so that there is never a session
    /// beyond the ceiling; that is soon, since nobody gets far without the server.
    async fn knock(self: &Arc<Self>) -> Result<(), Cause> {
        let Ok(turn) = self.turns.clone().acquire_owned().await else { return Ok(()) };
        let until = Instant::now() + self.target.connect_limit();
        let opened = async {
            if self.slots.state().connections < self.settings.ceiling() {
                let conn = self.open().await?;
                // The turn that is held here leaves room for it.
                if self.has_surplus() {
                    self.counters.closed(CloseReason::Overflow);
                    conn.end().await;
                } else {
                    _ = self.slots.add(self.slot_with(conn));
                }
                return Ok(());
            }
            match self.slots.get_owned().await {
                Ok(place) => Pooled::new(place, self.clone(), turn).revive().await,
                Err(_) => Ok(()),
            }
        };
        match timeout_at(until, opened).await {
            Ok(answer) => answer.map_err(Cause::Refused),
            Err(_) => Err(Cause::Silent),
        }
    }

    /// The server took the connection, or not even that, and said nothing for so long.
    fn no_answer(&self, silent: Duration) -> ConnectError {
        self.target.unreachable(format!("no answer from the server for {:.1} s", silent.as_secs_f64()))
    }

    fn refuse_during_outage(&self) -> Result<(), ConnectError> {
        self.outage_cause().map_or(Ok(()), Err)
    }

    /// Why nobody can connect at present, or could not in the last outage.
    pub(super) fn last_cause(&self) -> Option<ConnectError> {
        self.outage_cause().or_else(|| self.last_cause.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn outage_cause(&self) -> Option<ConnectError> {
        self.outage().map(|outage| self.words(&outage))
    }

    /// Since when and why nobody can connect.
    pub(super) fn outage_for(&self) -> Option<(Duration, ConnectError)> {
        self.outage().map(|outage| (outage.since.elapsed(), self.words(&outage)))
    }

    fn words(&self, outage: &Outage) -> ConnectError {
        match &outage.cause {
            Cause::Refused(cause) => cause.clone(),
            Cause::Silent => self.no_answer(outage.since.elapsed()),
        }
    }

    fn outage(&self) -> Option<Outage> {
        self.outage_now().clone()
    }

    /// Starts an outage, unless one is on. `silent` is how long the server has been so already.
    pub(super) fn begin_outage(self: &Arc<Self>, cause: Cause, silent: Duration) {
        let mut outage = self.outage_now();
        if outage.is_none() {
            self.trust.doubt();
            let now = Instant::now();
            let begun = Outage { since: now.checked_sub(silent).unwrap_or(now), cause };
            tracing::error!(cause = %self.words(&begun), "the database cannot be reached");
            *outage = Some(begun);
            tokio::spawn(probe(Arc::downgrade(self)));
        }
    }

    fn renew_outage(&self, cause: Cause) {
        if let Some(outage) = self.outage_now().as_mut() {
            outage.cause = cause;
        }
    }

    fn end_outage(&self) {
        *self.last_cause.lock().unwrap_or_else(PoisonError::into_inner) = self.outage_cause();
        let ended = self.outage_now().take();
        (self.on_reached)();
        if let Some(outage) = ended {
            tracing::info!(outage_s = outage.since.elapsed().as_secs_f64(), "the database answers again");
        }
    }

    fn outage_now(&self) -> MutexGuard<'_, Option<Outage>> {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
