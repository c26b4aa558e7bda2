//! The prober: tries for the whole pool whether connections can be opened again.

use super::impairment::Cause;
use super::patience::Patience;
use super::{CloseReason, Inner, Pooled};
use crate::activity::{Moment, Server};
use crate::error::ConnectError;
use std::pin::pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};

/// Pause between two attempts: at most five a second for the whole pool.
const PAUSE: Duration = Duration::from_millis(200);

/// Maximum random addition to the pause, so that many instances do not connect together.
const SPREAD: Duration = Duration::from_millis(10);

/// How long a resting connection may take to give a sign of life before a new one is opened.
const PING_LIMIT: Duration = Duration::from_secs(1);

/// Probes during the impairment `number`, until it is over or the pool is gone.
pub(super) async fn run(pool: Weak<Inner>, server: Arc<Server>, number: u64, attempt_at_once: bool) {
    let mut is_first = true;
    let mut next = if attempt_at_once { Instant::now() } else { next_attempt() };
    loop {
        let is_due = tokio::select! {
            () = sleep_until(next) => true,
            () = server.session_lost() => false,
        };
        let Some(inner) = pool.upgrade().filter(|inner| !inner.is_closed()) else { return };
        let Some(is_outage) = inner.impaired.is_outage(number) else { return };
        if !is_due {
            if !is_outage && inner.lost_session() {
                next = Instant::now();
            }
            continue;
        }
        if is_outage && inner.serves_again() {
            return inner.end_impairment();
        }
        // As long as sessions work, a connection is only needed by those who wait.
        let is_needed = is_outage || inner.counters.waiting.load(Relaxed) > 0 || !server.has_sessions();
        if !(is_needed || attempt_at_once && is_first) {
            return inner.impaired.forget();
        }
        is_first = false;
        next = if inner.probe_once(number).await { Instant::now() } else { next_attempt() };
    }
}

fn next_attempt() -> Instant {
    Instant::now() + PAUSE + SPREAD.mul_f64(rand::random::<f64>())
}

impl Inner {
    /// Makes one attempt to serve somebody: on a resting connection or on a new one. Returns true if it succeeded.
    ///
    /// It needs a turn like every caller's, so that there is never a connection above the maximum.
    async fn probe_once(self: &Arc<Self>, number: u64) -> bool {
        let Some(turn) = self.impaired.take_turn(&self.turns).await else { return false };
        if self.impaired.is_outage(number).is_none() {
            return false;
        }
        let (began, asked) = (Instant::now(), Moment::now());
        let (mut patience, mut turn) = (Patience::default(), Some(turn));
        let answer = self.while_answering(&mut patience, pin!(self.serve_one(&mut turn))).await;
        let cause = match answer {
            Some(Ok(())) => {
                // With it, the first who waits gets the connection.
                drop(turn);
                self.reached();
                return true;
            }
            Some(Err(cause)) => Cause::Refused(cause),
            None => Cause::Silent,
        };
        self.impaired.withhold(turn);
        let is_outage = self.can_serve_nobody(&cause, asked);
        let silent = if matches!(cause, Cause::Silent) { began.elapsed() } else { Duration::ZERO };
        self.impair(cause, is_outage, silent);
        false
    }

    /// Makes sure that a working connection rests: one that does already, or a new one.
    async fn serve_one(
        self: &Arc<Self>,
        turn: &mut Option<OwnedSemaphorePermit>,
    ) -> Result<(), ConnectError> {
        if self.slots.state().idle_connections > 0
            && let Ok(place) = self.slots.get_owned().await
            && let Some(taken) = turn.take()
        {
            let mut resting = Pooled::new(place, self.clone(), taken);
            let works = resting.works(PING_LIMIT).await;
            *turn = resting.into_turn();
            if works {
                return Ok(());
            }
        }
        let conn = self.open().await?;
        // The turn that is held leaves room for it.
        if self.has_surplus() {
            self.counters.closed(CloseReason::Overflow);
            conn.end().await;
        } else {
            _ = self.slots.add(self.slot_with(conn));
        }
        Ok(())
    }
}
