//! State of a pool that cannot open connections.
//!
//! A refused connection alone is no outage: while open sessions work, callers wait for them, and only the prober tries
//! to open more. It is an outage if no session is open or the server is silent on all of them.

use super::{Inner, probe};
use crate::activity::Moment;
use crate::error::ConnectError;
use std::mem::take;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use steadfast_resilience::Class;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Time after which a session with an outstanding answer no longer counts as working, if no new one can be opened.
const UNANSWERED_MAX: Duration = Duration::from_secs(2);

/// Reason why a connection could not be opened.
#[derive(Clone, Debug)]
pub(super) enum Cause {
    /// The server refused the connection or cannot be reached.
    Refused(ConnectError),
    /// The server sent nothing.
    Silent,
}

impl Cause {
    /// Returns true if only a working server refuses a connection in this way, so that its other sessions work.
    fn is_of_a_working_server(&self) -> bool {
        match self {
            Self::Refused(ConnectError::Refused { sqlstate, .. }) => sqlstate.class() != Class::Unavailable,
            Self::Refused(_) | Self::Silent => false,
        }
    }
}

/// Period in which no connection can be opened.
#[derive(Debug)]
struct Impairment {
    /// Number that identifies the impairment.
    number: u64,
    /// Start of the impairment, or of the outage if it is one.
    since: Instant,
    cause: Cause,
    /// Start of the server's silence.
    silent_since: Option<Instant>,
    /// Start of the outage.
    outage: Option<Moment>,
    /// Permits of callers that could not connect. While they are withheld, there are as many permits as sessions, so
    /// callers queue for the sessions that work.
    withheld: Vec<OwnedSemaphorePermit>,
}

/// The current impairment of a pool, if any.
#[derive(Debug, Default)]
pub(super) struct Impaired {
    state: Mutex<State>,
    /// Notifies the prober that a permit was withheld.
    permit_withheld: Notify,
}

#[derive(Debug, Default)]
struct State {
    present: Option<Impairment>,
    /// Number of impairments so far.
    count: u64,
    /// Cause of the last impairment. Used while the breaker is still open after the impairment has ended.
    last_cause: Option<ConnectError>,
}

impl Impaired {
    /// Returns true if no connection can be opened at present.
    pub(super) fn is_present(&self) -> bool {
        self.state().present.is_some()
    }

    /// Returns true if the impairment `number` is an outage; `None` if it has ended.
    pub(super) fn is_outage(&self, number: u64) -> Option<bool> {
        let state = self.state();
        let present = state.present.as_ref().filter(|present| present.number == number)?;
        Some(present.outage.is_some())
    }

    /// Ends the impairment without knowing whether connections can be opened again.
    pub(super) fn forget(&self) {
        let forgotten = self.state().present.take();
        drop(forgotten);
    }

    /// Withholds `permit` until connections can be opened again.
    pub(super) fn withhold(&self, permit: Option<OwnedSemaphorePermit>) {
        let mut state = self.state();
        match state.present.as_mut().filter(|present| present.outage.is_none()) {
            Some(present) => {
                present.withheld.extend(permit);
                self.permit_withheld.notify_one();
            }
            None => {
                // Releasing the permit wakes callers that may need the lock.
                drop(state);
                drop(permit);
            }
        }
    }

    /// Acquires a permit for the prober: a withheld one, or the next one in the queue of callers. Returns `None` if the
    /// pool was closed.
    pub(super) async fn acquire_permit(&self, permits: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        loop {
            let withheld = self.state().present.as_mut().and_then(|present| present.withheld.pop());
            if withheld.is_some() {
                return withheld;
            }
            tokio::select! {
                permit = permits.clone().acquire_owned() => return permit.ok(),
                () = self.permit_withheld.notified() => {}
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Records a failed attempt to connect and the preceding silence of the server. During an outage, callers fail
    /// immediately; otherwise they wait for the open sessions.
    pub(super) fn impair(self: &Arc<Self>, cause: Cause, is_outage: bool, silent: Duration) {
        let mut state = self.impaired.state();
        if self.is_closed() {
            return;
        }
        let now = Instant::now();
        let is_new = state.present.is_none();
        state.count += u64::from(is_new);
        let number = state.count;
        let began = now.checked_sub(silent).unwrap_or(now);
        let impairment = state.present.get_or_insert_with(|| Impairment {
            number,
            since: began,
            cause: cause.clone(),
            silent_since: None,
            outage: None,
            withheld: Vec::new(),
        });
        let is_silent = matches!(cause, Cause::Silent);
        impairment.silent_since = is_silent.then(|| impairment.silent_since.unwrap_or(began));
        impairment.cause = cause;
        let begins_outage = is_outage && impairment.outage.is_none();
        if begins_outage {
            impairment.since = impairment.silent_since.unwrap_or(began);
            impairment.outage = Some(Moment::now());
        }
        let released = if is_outage { take(&mut impairment.withheld) } else { Vec::new() };
        let error = self.connect_error(impairment);
        drop(state);
        drop(released);
        if begins_outage {
            self.freshness.suspect_all();
            tracing::error!(cause = %error, "the database cannot be reached");
        } else if is_new {
            self.freshness.suspect_server();
            tracing::warn!(cause = %error, "no further database connection can be opened; callers share the open ones");
        }
        if is_new {
            // A refusal was a full attempt; silence may have been that of a caller with little time.
            let attempt_at_once = is_silent && !is_outage;
            tokio::spawn(probe::run(Arc::downgrade(self), self.server.clone(), number, attempt_at_once));
        }
    }

    /// Records that a connection was opened. A server that refused connections before may refuse the next one too, so
    /// the prober continues until no caller waits.
    pub(super) fn note_connected(&self) {
        let is_over = match self.impaired.state().present.as_ref() {
            Some(present) => {
                present.outage.is_some()
                    || present.withheld.is_empty()
                    || !present.cause.is_of_a_working_server()
            }
            None => false,
        };
        if is_over {
            self.end_impairment();
        }
    }

    /// Ends the impairment because the server responds.
    pub(super) fn end_impairment(&self) {
        let mut state = self.impaired.state();
        let Some(ended) = state.present.take() else { return };
        state.last_cause = Some(self.connect_error(&ended));
        drop(state);
        let lasted = ended.since.elapsed().as_secs_f64();
        let was_outage = ended.outage.is_some();
        drop(ended);
        (self.on_reached)();
        if was_outage {
            tracing::info!(outage_s = lasted, "the database answers again");
        }
    }

    /// Returns true if no caller can be served, given that an attempt that began at `asked` failed with `cause`.
    pub(super) fn cannot_serve_callers(&self, cause: &Cause, asked: Moment) -> bool {
        if !self.server.has_sessions() {
            return true;
        }
        match cause {
            cause if cause.is_of_a_working_server() => false,
            Cause::Refused(_) => self.server.unanswered_for() >= UNANSWERED_MAX,
            Cause::Silent => !self.server.served_since(asked),
        }
    }

    /// Handles the loss of a session during an impairment. If it was the last session of an unreachable server, an
    /// outage begins. Returns true if the server works and has a free connection slot now, so that an attempt is
    /// worthwhile.
    pub(super) fn lost_session(self: &Arc<Self>) -> bool {
        if self.server.has_sessions() {
            return false;
        }
        let cause = self.impaired.state().present.as_ref().map(|present| present.cause.clone());
        let has_room = cause.as_ref().is_some_and(Cause::is_of_a_working_server);
        if let Some(cause @ Cause::Refused(_)) = cause.filter(|_| !has_room) {
            self.impair(cause, true, Duration::ZERO);
        }
        has_room
    }

    /// Returns the cause of the current impairment, and true if it is an outage.
    pub(super) fn impairment(&self) -> Option<(ConnectError, bool)> {
        let state = self.impaired.state();
        state.present.as_ref().map(|present| (self.connect_error(present), present.outage.is_some()))
    }

    /// Returns the duration and cause of the current impairment, and true if it is an outage.
    pub(super) fn impaired_for(&self) -> Option<(Duration, ConnectError, bool)> {
        let state = self.impaired.state();
        let present = state.present.as_ref()?;
        Some((present.since.elapsed(), self.connect_error(present), present.outage.is_some()))
    }

    /// Returns true if there is an outage, and an open session has received bytes since it began.
    pub(super) fn has_recovered(&self) -> bool {
        let began = self.impaired.state().present.as_ref().and_then(|present| present.outage);
        began.is_some_and(|began| self.server.served_since(began) && self.server.has_sessions())
    }

    /// Returns the cause of the current or last impairment.
    pub(super) fn last_cause(&self) -> Option<ConnectError> {
        let state = self.impaired.state();
        state.present.as_ref().map(|present| self.connect_error(present)).or_else(|| state.last_cause.clone())
    }

    fn connect_error(&self, impairment: &Impairment) -> ConnectError {
        match &impairment.cause {
            Cause::Refused(cause) => cause.clone(),
            Cause::Silent => self.no_answer(impairment.silent_since.unwrap_or(impairment.since).elapsed()),
        }
    }

    /// Returns the error for a server that sent nothing for this time.
    pub(super) fn no_answer(&self, silent: Duration) -> ConnectError {
        self.target.unreachable(format!("no answer from the server for {:.1} s", silent.as_secs_f64()))
    }
}
