//! What is known when connections cannot be opened: since when, why, and whether the open ones still serve.
//!
//! One refused connect is no outage. While a session of the pool works, callers wait for it, and only the prober tries
//! to open more. It is an outage when nobody can be served: no session is open, or the server is silent on all of them.

use super::{Inner, probe};
use crate::activity::Moment;
use crate::error::ConnectError;
use std::mem::take;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use steadfast_resilience::Class;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// How long a session may owe an answer before it no longer counts as working, if no new one can be opened.
const OWING_MAX: Duration = Duration::from_secs(2);

/// Reason why a connection could not be opened.
#[derive(Clone, Debug)]
pub(super) enum Cause {
    /// The server refused it, or cannot be reached.
    Refused(ConnectError),
    /// The server accepted it, or not even that, and sent nothing.
    Silent,
}

impl Cause {
    /// Returns true if only a server that works refuses a connection so: its other sessions work too.
    fn is_of_a_working_server(&self) -> bool {
        match self {
            Self::Refused(ConnectError::Refused { sqlstate, .. }) => sqlstate.class() != Class::Unavailable,
            Self::Refused(_) | Self::Silent => false,
        }
    }
}

/// A time in which no connection can be opened.
#[derive(Debug)]
struct Impairment {
    /// Distinguishes it from earlier and later ones.
    number: u64,
    /// When it began; once it is an outage, when that began.
    since: Instant,
    cause: Cause,
    /// When the server fell silent, if it did.
    silent_since: Option<Instant>,
    /// When nobody could be served any more.
    outage: Option<Moment>,
    /// Turns of callers that could not connect. While they are withheld there are as many turns as sessions, so that
    /// callers queue for the sessions that work.
    withheld: Vec<OwnedSemaphorePermit>,
}

/// The pool's impairment, if there is one.
#[derive(Debug, Default)]
pub(super) struct Impaired {
    state: Mutex<State>,
    /// Tells the prober that there is a turn for it.
    turn_withheld: Notify,
}

#[derive(Debug, Default)]
struct State {
    present: Option<Impairment>,
    /// Number of impairments so far.
    count: u64,
    /// Cause of the last one: the breaker may be open for some moments longer.
    last_cause: Option<ConnectError>,
}

impl Impaired {
    /// Returns true if no connection can be opened at present.
    pub(super) fn is_present(&self) -> bool {
        self.state().present.is_some()
    }

    /// Returns whether the impairment `number` is an outage; `None` if it is over.
    pub(super) fn is_outage(&self, number: u64) -> Option<bool> {
        let state = self.state();
        let present = state.present.as_ref().filter(|present| present.number == number)?;
        Some(present.outage.is_some())
    }

    /// Forgets the impairment, although it is not known whether connections can be opened again.
    pub(super) fn forget(&self) {
        let forgotten = self.state().present.take();
        drop(forgotten);
    }

    /// Keeps `turn` out of use until connections can be opened again.
    pub(super) fn withhold(&self, turn: Option<OwnedSemaphorePermit>) {
        let mut state = self.state();
        match state.present.as_mut().filter(|present| present.outage.is_none()) {
            Some(present) => {
                present.withheld.extend(turn);
                self.turn_withheld.notify_one();
            }
            None => {
                // Releasing it wakes others, who may ask for the state.
                drop(state);
                drop(turn);
            }
        }
    }

    /// Returns a turn for the prober: a withheld one, or that for which it queues like every caller. `None` if the pool
    /// was closed.
    pub(super) async fn take_turn(&self, turns: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        loop {
            let withheld = self.state().present.as_mut().and_then(|present| present.withheld.pop());
            if withheld.is_some() {
                return withheld;
            }
            tokio::select! {
                turn = turns.clone().acquire_owned() => return turn.ok(),
                () = self.turn_withheld.notified() => {}
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Notes that a connect failed for `cause`, before which the server was silent for `silent`. If that is an outage,
    /// callers fail at once; otherwise they wait for the sessions that are open.
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
        let words = self.words(impairment);
        drop(state);
        drop(released);
        if begins_outage {
            self.trust.doubt();
            tracing::error!(cause = %words, "the database cannot be reached");
        } else if is_new {
            self.trust.doubt_server();
            tracing::warn!(cause = %words, "no further database connection can be opened; callers share the open ones");
        }
        if is_new {
            // A refusal was an attempt already; silence may have been that of a caller with little time.
            let attempt_at_once = is_silent && !is_outage;
            tokio::spawn(probe::run(Arc::downgrade(self), self.server.clone(), number, attempt_at_once));
        }
    }

    /// Notes that a connection was opened. A server that had refused it may not accept another one: then the prober
    /// opens one after the other, until nobody waits for one.
    pub(super) fn reached(&self) {
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

    /// Ends the impairment, since the server answers.
    pub(super) fn end_impairment(&self) {
        let mut state = self.impaired.state();
        let Some(ended) = state.present.take() else { return };
        state.last_cause = Some(self.words(&ended));
        drop(state);
        let lasted = ended.since.elapsed().as_secs_f64();
        let was_outage = ended.outage.is_some();
        drop(ended);
        (self.on_reached)();
        if was_outage {
            tracing::info!(outage_s = lasted, "the database answers again");
        }
    }

    /// Returns true if nobody can be served, given that a connect that began at `asked` failed for `cause`.
    pub(super) fn can_serve_nobody(&self, cause: &Cause, asked: Moment) -> bool {
        if !self.server.has_sessions() {
            return true;
        }
        match cause {
            cause if cause.is_of_a_working_server() => false,
            Cause::Refused(_) => self.server.owing_for() >= OWING_MAX,
            Cause::Silent => !self.server.served_since(asked),
        }
    }

    /// Notes that a session was lost during an impairment that is not an outage. If it was the last one, a server that
    /// cannot be reached is gone. Returns true if it is worth an attempt: a server that works has room for one more.
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

    /// Returns the cause for which no connection can be opened, and whether that is an outage.
    pub(super) fn impairment(&self) -> Option<(ConnectError, bool)> {
        let state = self.impaired.state();
        state.present.as_ref().map(|present| (self.words(present), present.outage.is_some()))
    }

    /// Returns how long the present impairment has lasted, its cause, and whether it is an outage.
    pub(super) fn impaired_for(&self) -> Option<(Duration, ConnectError, bool)> {
        let state = self.impaired.state();
        let present = state.present.as_ref()?;
        Some((present.since.elapsed(), self.words(present), present.outage.is_some()))
    }

    /// Returns true if there is an outage, and bytes have come since it began on a session that is still open.
    pub(super) fn serves_again(&self) -> bool {
        let began = self.impaired.state().present.as_ref().and_then(|present| present.outage);
        began.is_some_and(|began| self.server.served_since(began) && self.server.has_sessions())
    }

    /// Returns why no connection can be opened, or could not be the last time.
    pub(super) fn last_cause(&self) -> Option<ConnectError> {
        let state = self.impaired.state();
        state.present.as_ref().map(|present| self.words(present)).or_else(|| state.last_cause.clone())
    }

    fn words(&self, impairment: &Impairment) -> ConnectError {
        match &impairment.cause {
            Cause::Refused(cause) => cause.clone(),
            Cause::Silent => self.no_answer(impairment.silent_since.unwrap_or(impairment.since).elapsed()),
        }
    }

    /// The server accepted the connection, or not even that, and sent nothing for so long.
    pub(super) fn no_answer(&self, silent: Duration) -> ConnectError {
        self.target.unreachable(format!("no answer from the server for {:.1} s", silent.as_secs_f64()))
    }
}
