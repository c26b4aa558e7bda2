//! The prober: checks on behalf of the whole pool whether connections can be opened again.

use super::impairment::Cause;
use super::scheduled_timeout::ScheduledTimeout;
use super::{CloseReason, Inner, Pooled};
use crate::activity::{Moment, Server};
use crate::error::ConnectError;
use std::pin::pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};

/// Pause between attempts: at most five per second for the whole pool.
const PAUSE: Duration = Duration::from_millis(200);

/// Maximum random addition to the pause, so that instances do not connect at the same time.
const SPREAD: Duration = Duration::from_millis(10);

/// Time limit for a ping on an idle connection before a new one is opened.
const PING_LIMIT: Duration = Duration::from_secs(1);

/// Probes during the impairment `number` until it ends or the pool is dropped.
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
        if is_outage && inner.has_recovered() {
            return inner.end_impairment();
        }
        // While sessions work, only waiting callers need another connection.
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
    /// Tries to provide one working connection, idle or new. Returns true on success.
    ///
    /// The attempt needs a permit like every caller's, so that the number of connections never exceeds the maximum.
    async fn probe_once(self: &Arc<Self>, number: u64) -> bool {
        let Some(permit) = self.impaired.acquire_permit(&self.permits).await else { return false };
        if self.impaired.is_outage(number).is_none() {
            return false;
        }
        let (began, asked) = (Instant::now(), Moment::now());
        let (mut scheduled_timeout, mut permit) = (ScheduledTimeout::default(), Some(permit));
        let answer = self.while_answering(&mut scheduled_timeout, pin!(self.serve_one(&mut permit))).await;
        let cause = match answer {
            Some(Ok(())) => {
                // Releasing the permit serves the first waiting caller.
                drop(permit);
                self.note_connected();
                return true;
            }
            Some(Err(cause)) => Cause::Refused(cause),
            None => Cause::Silent,
        };
        self.impaired.withhold(permit);
        let is_outage = self.cannot_serve_callers(&cause, asked);
        let silent = if matches!(cause, Cause::Silent) { began.elapsed() } else { Duration::ZERO };
        self.impair(cause, is_outage, silent);
        false
    }

    /// Ensures that one idle connection works: an existing or a new one.
    async fn serve_one(
        self: &Arc<Self>,
        permit: &mut Option<OwnedSemaphorePermit>,
    ) -> Result<(), ConnectError> {
        if self.slots.state().idle_connections > 0
            && let Ok(slot) = self.slots.get_owned().await
            && let Some(taken) = permit.take()
        {
            let mut idle = Pooled::new(slot, self.clone(), taken);
            let is_alive = idle.is_alive(PING_LIMIT).await;
            *permit = idle.into_permit();
            if is_alive {
                return Ok(());
            }
        }
        let conn = self.open().await?;
        // The held permit reserves a slot for it.
        if self.has_surplus() {
            self.counters.closed(CloseReason::Overflow);
            conn.end().await;
        } else {
            _ = self.slots.add(self.slot_with(conn));
        }
        Ok(())
    }
}
