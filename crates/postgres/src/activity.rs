//! Last activity of a server, which distinguishes a silent server from a busy pool.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Milliseconds since the first use of this type. Uses real time, since the server is not affected by a paused tokio
/// clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment(u64);

impl Moment {
    /// Returns the current moment.
    pub(crate) fn now() -> Self {
        Self::at(Instant::now())
    }

    /// Returns the moment at which the clock showed `now`.
    pub(crate) fn at(now: Instant) -> Self {
        Self(now.saturating_duration_since(*START).as_millis() as u64)
    }
}

/// Moment of the last received bytes.
#[derive(Debug)]
pub(crate) struct LastActivity(AtomicU64);

impl LastActivity {
    /// Creates a record of bytes received now.
    pub(crate) fn now() -> Self {
        Self(AtomicU64::new(Moment::at(Instant::now()).0))
    }

    /// Records that bytes were received at `now`.
    pub(crate) fn touch(&self, now: Moment) {
        // May be shared by all connections: written once per millisecond, read by all.
        if self.0.load(Relaxed) != now.0 {
            self.0.store(now.0, Relaxed);
        }
    }

    /// Returns the time since bytes were last received.
    pub(crate) fn silent_for(&self) -> Duration {
        Duration::from_millis(Moment::now().0.saturating_sub(self.0.load(Relaxed)))
    }

    /// Returns true if bytes were received after `moment`.
    fn since(&self, moment: Moment) -> bool {
        self.0.load(Relaxed) > moment.0
    }
}

/// Activity of one connection.
pub(crate) trait Session: std::fmt::Debug + Send + Sync {
    /// Returns true if the session is open.
    fn is_established(&self) -> bool;

    /// Returns how long an answer of the server has been outstanding.
    fn silent_for(&self) -> Duration;
}

/// Activity of one server on all its connections.
#[derive(Debug)]
pub(crate) struct Server {
    /// Bytes on open sessions.
    served: LastActivity,
    /// Bytes on sessions that are being opened.
    opening: LastActivity,
    /// Read only if a caller waited without success, so that successful callers share no counter.
    sessions: Mutex<Vec<Weak<dyn Session>>>,
    lost: Notify,
}

impl Server {
    /// Creates the record of a server without connections.
    pub(crate) fn new() -> Self {
        let (served, opening) = (LastActivity::now(), LastActivity::now());
        Self { served, opening, sessions: Mutex::default(), lost: Notify::new() }
    }

    /// Adds a connection, which counts until it is dropped.
    pub(crate) fn register(&self, session: &Arc<impl Session + 'static>) {
        let session: Arc<dyn Session> = session.clone();
        let mut sessions = self.sessions();
        sessions.retain(|session| session.strong_count() > 0);
        sessions.push(Arc::downgrade(&session));
    }

    /// Records bytes on an open session.
    pub(crate) fn served(&self, now: Moment) {
        self.served.touch(now);
    }

    /// Records bytes on a session that is being opened.
    pub(crate) fn answered_opening(&self, now: Moment) {
        self.opening.touch(now);
    }

    /// Records that a session has ended.
    pub(crate) fn lost_session(&self) {
        self.lost.notify_one();
    }

    /// Waits until a session has ended since the last call. Only one task may wait.
    pub(crate) async fn session_lost(&self) {
        self.lost.notified().await;
    }

    /// Returns true if bytes were received on an open session after `moment`.
    pub(crate) fn served_since(&self, moment: Moment) -> bool {
        self.served.since(moment)
    }

    /// Returns true if bytes were received after `moment` on a session that was being opened.
    pub(crate) fn answered_opening_since(&self, moment: Moment) -> bool {
        self.opening.since(moment)
    }

    /// Returns true if at least one session is open.
    pub(crate) fn has_sessions(&self) -> bool {
        self.sessions().iter().filter_map(Weak::upgrade).any(|session| session.is_established())
    }

    /// Returns how long an answer has been outstanding without any bytes on any connection.
    pub(crate) fn unanswered_for(&self) -> Duration {
        let sessions: Vec<_> = self.sessions().iter().filter_map(Weak::upgrade).collect();
        let longest = sessions.iter().map(|session| session.silent_for()).max();
        longest.unwrap_or_default().min(self.served.silent_for()).min(self.opening.silent_for())
    }

    fn sessions(&self) -> MutexGuard<'_, Vec<Weak<dyn Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
