//! Activity of connections, and the deadlines that follow from it.
//!
//! A request is open from its header until the operating system has accepted its whole answer. A connection without
//! open requests is idle. While the server waits for the client to send a request body or to receive an answer, bytes
//! must move at [`MIN_RATE`]. Handlers have their own deadlines.

use super::ServeSettings;
use super::pace::Pace;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Minimum number of bytes per second that a client must send or receive while the server waits for it.
pub(super) const MIN_RATE: u64 = 1024;

/// Time for a client to complete a graceful close, including its answer to the last ping of HTTP/2.
const CLOSE_GRACE: Duration = Duration::from_secs(1);

/// Time for the first request of a connection that was not admitted.
const RESERVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Minimum idle time of a connection that may be evicted. A new connection needs a round trip to send its first
/// request.
const EVICT_IDLE: Duration = Duration::from_millis(500);

/// Number of parts of the stall deadline. After each part, a sufficient rate is reset, so that a fast start does not
/// count for long. After one part below the minimum rate, a connection may be evicted.
const PACE_WINDOWS: u32 = 6;

/// Bytes that a complete request counts in addition to its bodies: headers are not counted one by one.
const REQUEST_CREDIT: u64 = 1024;

/// Replacement for deadlines beyond the range of the clock: 30 years.
const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// Next action of a connection's task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Check again at this time, or after a change.
    Wait(Instant),
    /// Close gracefully: answer open requests, accept no new ones.
    Close,
    /// Drop the connection for this reason.
    Cut(&'static str),
}

/// State of one connection.
#[derive(Debug)]
pub(super) struct Activity {
    settings: ServeSettings,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    /// Number of open requests.
    open: usize,
    /// True if a request was ever received.
    is_used: bool,
    /// True if it has an ordinary slot.
    is_admitted: bool,
    /// Time when it was accepted, when its last request was answered, or when its close began.
    idle_since: Instant,
    pace: Pace,
    ending: Ending,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    No,
    /// The task has not begun it yet.
    Requested,
    Begun,
    Cut,
}

impl Activity {
    /// Creates the state of a new connection.
    pub(super) fn new(settings: ServeSettings) -> Self {
        let now = Instant::now();
        let state = State {
            open: 0,
            is_used: false,
            is_admitted: false,
            idle_since: now,
            pace: Pace::new(now),
            ending: Ending::No,
        };
        Self { settings, state: Mutex::new(state), changed: Notify::new() }
    }

    /// Waits until the result of [`Activity::next_step`] may have changed before its time.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Marks the connection as having an ordinary slot.
    pub(super) fn admit(&self) {
        self.state().is_admitted = true;
    }

    /// Returns true if the connection has an ordinary slot.
    pub(super) fn is_admitted(&self) -> bool {
        self.state().is_admitted
    }

    /// Returns true if no request is open.
    pub(super) fn is_idle(&self) -> bool {
        self.state().open == 0
    }

    /// Requests a graceful close from the connection's task.
    pub(super) fn close(&self) {
        let mut state = self.state();
        if state.ending == Ending::No {
            state.ending = Ending::Requested;
            self.changed.notify_one();
        }
    }

    /// Requests that the connection's task drops the connection.
    pub(super) fn cut(&self) {
        self.state().ending = Ending::Cut;
        self.changed.notify_one();
    }

    /// Returns the time for which the connection has been idle or slow, if that is long enough to evict it.
    pub(super) fn evictable_for(&self) -> Option<Duration> {
        let state = self.state();
        let now = Instant::now();
        let (unused, least) = match state.open {
            _ if state.ending != Ending::No => return None,
            0 => (now - state.idle_since, EVICT_IDLE),
            _ if state.pace.is_below(MIN_RATE, now) => (state.pace.waited(now), self.pace_window()),
            _ => return None,
        };
        (unused >= least).then_some(unused)
    }

    /// Ends the connection to free its slot, gracefully if no request is open.
    pub(super) fn evict(&self) {
        if self.is_idle() { self.close() } else { self.cut() }
    }

    /// Determines the next step of the connection.
    pub(super) fn next_step(&self) -> Step {
        let (mut state, now) = (self.state(), Instant::now());
        let ServeSettings { header_timeout, idle_timeout, stall_timeout, .. } = self.settings;
        let limit = match state.ending {
            Ending::Cut => return Step::Cut("its slot was needed"),
            Ending::Requested => return state.begin_close(now),
            _ if state.open > 0 => None,
            Ending::Begun => Some(CLOSE_GRACE),
            Ending::No if state.is_admitted && state.is_used => Some(idle_timeout),
            Ending::No if state.is_admitted => Some(header_timeout),
            Ending::No if state.is_used => Some(Duration::ZERO),
            Ending::No => Some(RESERVE_TIMEOUT.min(header_timeout)),
        };
        let due = limit.map(|limit| after(state.idle_since, limit));
        if due.is_some_and(|due| due <= now) {
            let is_closing = state.ending == Ending::Begun;
            return if is_closing { Step::Cut("it did not close in time") } else { state.begin_close(now) };
        }
        if state.pace.is_below(MIN_RATE, now) {
            if state.pace.waited(now) >= stall_timeout {
                return Step::Cut("bytes move too slowly");
            }
        } else if state.pace.is_waiting() {
            state.pace.restart(now);
        }
        // Requests begin and end without waking the task, so it checks as often as the shortest deadline requires.
        let shortest =
            if state.ending == Ending::Begun { CLOSE_GRACE } else { idle_timeout.min(header_timeout) };
        let look = after(now, self.pace_window().min(shortest).max(Duration::from_millis(1)));
        Step::Wait(due.map_or(look, |due| due.min(look)))
    }

    fn pace_window(&self) -> Duration {
        self.settings.stall_timeout / PACE_WINDOWS
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code panics while the lock is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn begin_close(&mut self, now: Instant) -> Step {
        self.ending = Ending::Begun;
        self.idle_since = now;
        Step::Close
    }
}

/// Returns `at` plus `limit`, or a time that is never reached.
fn after(at: Instant, limit: Duration) -> Instant {
    at.checked_add(limit).unwrap_or_else(|| at + NEVER)
}

/// Open request. All parts of it hold a clone; the request ends with the last clone.
#[derive(Debug)]
pub(super) struct Exchange(Arc<Activity>);

impl Exchange {
    /// Opens a request on a connection.
    pub(super) fn begin(activity: &Arc<Activity>) -> Arc<Self> {
        let mut state = activity.state();
        state.open += 1;
        state.is_used = true;
        drop(state);
        Arc::new(Self(Arc::clone(activity)))
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let (mut state, now) = (self.0.state(), Instant::now());
        state.pace.moved(REQUEST_CREDIT);
        state.open -= 1;
        if state.open == 0 {
            state.pace.restart(now);
            state.idle_since = now;
            if !state.is_admitted {
                self.0.changed.notify_one();
            }
        }
    }
}

/// Party that one direction of a request waits for: the server or the client.
#[derive(Debug)]
pub(super) struct Turn {
    exchange: Arc<Exchange>,
    is_clients: bool,
}

impl Turn {
    /// Creates a turn of the server.
    pub(super) fn of_server(exchange: Arc<Exchange>) -> Self {
        Self { exchange, is_clients: false }
    }

    /// Creates a turn of the client.
    pub(super) fn of_client(exchange: Arc<Exchange>) -> Self {
        let mut turn = Self::of_server(exchange);
        turn.set(true);
        turn
    }

    /// Creates a turn of the client in the same request.
    pub(super) fn another(&self) -> Self {
        Self::of_client(Arc::clone(&self.exchange))
    }

    /// Sets the turn to the client or to the server.
    pub(super) fn set(&mut self, is_clients: bool) {
        if self.is_clients != is_clients {
            self.is_clients = is_clients;
            let (mut state, now) = (self.exchange.0.state(), Instant::now());
            if is_clients { state.pace.begin_wait(now) } else { state.pace.end_wait(now) }
        }
    }

    /// Counts bytes that the client sent or received.
    pub(super) fn moved(&self, bytes: usize) {
        self.exchange.0.state().pace.moved(bytes as u64);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.set(false);
    }
}
