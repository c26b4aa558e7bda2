//! Capture: what sessions send and are answered while somebody looks, so that it can be run again elsewhere.

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

/// The most statements of one capture; what comes after them is counted and not buffer.
const STATEMENTS_MAX: usize = 100_000;

/// The most bytes of statements and values of one capture.
const BYTES_MAX: usize = 256 << 20;

/// Writes down what the sessions send that were opened with it: see
/// [`SessionSettings::recorder`](crate::SessionSettings::recorder) and [`Recorder::connect`]. Cheap to clone; all
/// clones are one recorder.
///
/// Between [`Recorder::start`] and [`Recorder::take`] it keeps each statement with its values. Outside of that it
/// keeps the texts of prepared statements alone, which a later capture may need. For verification and tests: a session
/// without a recorder pays one branch a read and a write.
///
/// Two recorders are equal when they are clones of each other.
#[derive(Clone, Default)]
pub struct Recorder(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// Odd while a capture is on; a statement belongs to the capture whose number it was sent under.
    epoch: AtomicU64,
    sessions: AtomicU64,
    sent: AtomicU64,
    buffer: Mutex<Buffer>,
}

#[derive(Default)]
struct Buffer {
    statements: Vec<CapturedStatement>,
    bytes: usize,
    /// Statements that were sent in this capture, whether or not they are buffer.
    expected: usize,
    unknown: usize,
    refusal: Option<Refusal>,
}

/// What was sent during one capture, in the order in which it was sent.
#[derive(Clone, Debug, Default)]
pub struct Captured {
    /// The statements whose answer has come.
    pub statements: Vec<CapturedStatement>,
    /// How many more were sent: unanswered when the capture ended, or beyond what a capture keeps (100,000 statements,
    /// 256 MiB). Anything but zero means that the capture is not the whole story.
    pub missing: usize,
    /// The last statement that the server refused, also where the program went on after it.
    pub refusal: Option<Refusal>,
}

/// A statement that the server refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its text, without values.
    pub sql: Arc<str>,
    /// The SQLSTATE.
    pub sqlstate: String,
    /// The server's message, which can show values.
    pub message: String,
}

/// One line, e.g. `DROP INDEX books_shelf: index "books_shelf" does not exist (SQLSTATE 42704)`.
impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sql = self.sql.split_whitespace().collect::<Vec<_>>().join(" ");
        write!(f, "{sql}: {} (SQLSTATE {})", self.message, self.sqlstate)
    }
}

impl Captured {
    /// The statements of the program itself: without transactions, settings, pings and type look-ups.
    pub fn own(&self) -> impl Iterator<Item = &CapturedStatement> {
        self.statements.iter().filter(|statement| statement.kind() == StatementKind::Own)
    }
}

impl Recorder {
    /// A recorder that keeps nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps what is sent from now on, and forgets what was buffer.
    pub fn start(&self) {
        let mut buffer = self.buffer();
        *buffer = Buffer::default();
        let epoch = self.0.epoch.load(Relaxed);
        self.0.epoch.store(epoch + 1 + epoch % 2, Relaxed);
    }

    /// Ends the capture and hands it out. Empty when none was started.
    pub fn take(&self) -> Captured {
        let mut buffer = self.buffer();
        let epoch = self.0.epoch.load(Relaxed);
        self.0.epoch.store(epoch + epoch % 2, Relaxed);
        let Buffer { mut statements, expected, unknown, refusal, .. } = std::mem::take(&mut *buffer);
        drop(buffer);
        statements.sort_by_key(|statement| statement.order);
        Captured { missing: expected - statements.len() + unknown, statements, refusal }
    }

    /// The number of the capture that is on.
    fn epoch(&self) -> Option<u64> {
        Some(self.0.epoch.load(Relaxed)).filter(|epoch| epoch % 2 == 1)
    }

    fn next_session(&self) -> u64 {
        self.0.sessions.fetch_add(1, Relaxed)
    }

    /// The place of a statement that is sent now; it will be handed to [`Recorder::keep`].
    fn expect(&self) -> u64 {
        self.buffer().expected += 1;
        self.0.sent.fetch_add(1, Relaxed)
    }

    /// A statement was sent now whose text nobody knows.
    fn expect_unknown(&self) {
        self.buffer().unknown += 1;
    }

    /// A statement does not run, because one before it in the same message failed.
    fn cancel_expected(&self, epoch: u64) {
        let mut buffer = self.buffer();
        if self.epoch() == Some(epoch) {
            buffer.expected -= 1;
        }
    }

    /// The server has refused a statement.
    fn refuse(&self, refusal: Refusal) {
        let mut buffer = self.buffer();
        if self.epoch().is_some() {
            buffer.refusal = Some(refusal);
        }
    }

    /// The answer has come. A statement of another capture than the present one is forgotten.
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
        let (on, buffer) = (self.epoch().is_some(), self.buffer().statements.len());
        f.debug_struct("Recorder").field("on", &on).field("buffer", &buffer).finish()
    }
}
