//! Capture of the statements that sessions send, so that they can be replayed elsewhere.

#[cfg_attr(not(feature = "record-binds"), path = "capture/no_binds.rs")]
mod binds;
mod message;
mod session_capture;
mod statement;

pub(crate) use binds::BindLog;
pub(crate) use session_capture::{MESSAGE_MAX, SessionCapture};
pub use statement::{CapturedStatement, Parameter, StatementKind, TransactionStatus};

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Maximum number of statements in one capture. Further ones are counted but not stored.
const STATEMENTS_MAX: usize = 100_000;

/// Maximum number of bytes of statements and values in one capture.
const BYTES_MAX: usize = 256 << 20;

/// Records the statements of the sessions that were opened with it. See
/// [`SessionSettings::recorder`](crate::SessionSettings::recorder) and [`Recorder::connect`]. Cheap to clone; all
/// clones are one recorder.
///
/// Between [`Recorder::start`] and [`Recorder::take`] it stores each statement with its values. At other times it
/// stores only the texts of prepared statements, which a later capture may need. For verification and tests; a session
/// without a recorder pays one branch per read and write.
///
/// Two recorders are equal if they are clones of each other.
#[derive(Clone, Default)]
pub struct Recorder(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// Odd while a capture is running. A statement belongs to the capture in whose epoch it was sent.
    epoch: AtomicU64,
    sessions: AtomicU64,
    sent: AtomicU64,
    buffer: Mutex<Buffer>,
}

#[derive(Default)]
struct Buffer {
    statements: Vec<CapturedStatement>,
    bytes: usize,
    /// Number of statements sent in this capture, stored or not.
    expected: usize,
    unknown: usize,
    refusal: Option<Refusal>,
}

/// Statements of one capture, in the order in which they were sent.
#[derive(Clone, Debug, Default)]
pub struct Captured {
    /// The statements that were answered.
    pub statements: Vec<CapturedStatement>,
    /// Number of further statements: unanswered at the end of the capture, or beyond its limits (100,000 statements,
    /// 256 MiB). The capture is incomplete unless this is zero.
    pub missing: usize,
    /// The last statement that the server refused, even if the program continued after it.
    pub refusal: Option<Refusal>,
}

/// A statement that the server refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Text of the statement, without values.
    pub sql: Arc<str>,
    /// SQLSTATE of the error.
    pub sqlstate: String,
    /// The server's message, which may contain values.
    pub message: String,
}

/// Formats the refusal on one line, e.g. `DROP INDEX books_shelf: index "books_shelf" does not exist (SQLSTATE 42704)`.
impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sql = self.sql.split_whitespace().collect::<Vec<_>>().join(" ");
        write!(f, "{sql}: {} (SQLSTATE {})", self.message, self.sqlstate)
    }
}

impl Captured {
    /// Returns the statements of the program itself, without transactions, settings, pings and type look-ups.
    pub fn own(&self) -> impl Iterator<Item = &CapturedStatement> {
        self.statements.iter().filter(|statement| statement.kind() == StatementKind::Own)
    }
}

impl Recorder {
    /// Creates a recorder that has stored nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a capture and discards the previous one.
    pub fn start(&self) {
        let mut buffer = self.buffer();
        *buffer = Buffer::default();
        let epoch = self.0.epoch.load(Relaxed);
        self.0.epoch.store(epoch + 1 + epoch % 2, Relaxed);
    }

    /// Ends the capture and returns it. It is empty if none was started.
    pub fn take(&self) -> Captured {
        let mut buffer = self.buffer();
        let epoch = self.0.epoch.load(Relaxed);
        self.0.epoch.store(epoch + epoch % 2, Relaxed);
        let Buffer { mut statements, expected, unknown, refusal, .. } = std::mem::take(&mut *buffer);
        drop(buffer);
        statements.sort_by_key(|statement| statement.order);
        Captured { missing: expected - statements.len() + unknown, statements, refusal }
    }

    /// Returns the number of the running capture.
    fn epoch(&self) -> Option<u64> {
        Some(self.0.epoch.load(Relaxed)).filter(|epoch| epoch % 2 == 1)
    }

    fn next_session(&self) -> u64 {
        self.0.sessions.fetch_add(1, Relaxed)
    }

    /// Counts a statement that is being sent and returns its position. Its answer is passed to [`Recorder::store`].
    fn expect(&self) -> u64 {
        self.buffer().expected += 1;
        self.0.sent.fetch_add(1, Relaxed)
    }

    /// Counts a statement whose text is unknown.
    fn expect_unknown(&self) {
        self.buffer().unknown += 1;
    }

    /// Removes a statement that does not run because an earlier one in the same message failed.
    fn cancel_expected(&self, epoch: u64) {
        let mut buffer = self.buffer();
        if self.epoch() == Some(epoch) {
            buffer.expected -= 1;
        }
    }

    /// Records a statement that the server refused.
    fn refuse(&self, refusal: Refusal) {
        let mut buffer = self.buffer();
        if self.epoch().is_some() {
            buffer.refusal = Some(refusal);
        }
    }

    /// Stores an answered statement if its capture is still running.
    fn store(&self, epoch: u64, statement: CapturedStatement) {
        let mut buffer = self.buffer();
        let bytes = buffer.bytes + statement.size();
        if self.epoch() == Some(epoch) && buffer.statements.len() < STATEMENTS_MAX && bytes < BYTES_MAX {
            buffer.bytes = bytes;
            buffer.statements.push(statement);
        }
    }

    fn buffer(&self) -> MutexGuard<'_, Buffer> {
        self.0.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PartialEq for Recorder {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Recorder {}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (on, stored) = (self.epoch().is_some(), self.buffer().statements.len());
        f.debug_struct("Recorder").field("on", &on).field("stored", &stored).finish()
    }
}
