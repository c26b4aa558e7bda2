//! State of one connection as seen on the wire, which the libraries above do not expose.

mod effects;
mod frames;
mod guard;
mod statements;

pub(crate) use guard::Guard;

use crate::activity::{LastActivity, Moment, Server, Session};
use crate::capture::{BindLog, MESSAGE_MAX, Recorder, SessionCapture};
use crate::{SqlState, StatementLog};
use frames::Frames;
use statements::{Answered, Statements};
use std::collections::VecDeque;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Number of recent errors that are stored to find the SQLSTATE for an error text.
const ERRORS_STORED: usize = 8;

/// Command tags in the form of [`tag_word`].
const LISTEN: u64 = u64::from_be_bytes(*b"LISTEN\0\0");
const COMMIT: u64 = u64::from_be_bytes(*b"COMMIT\0\0");
const ROLLBACK: u64 = u64::from_be_bytes(*b"ROLLBACK");
const BEGIN: u64 = u64::from_be_bytes(*b"BEGIN\0\0\0");
const START_TRANSACTION: u64 = u64::from_be_bytes(*b"START TR");
const PREPARE_TRANSACTION: u64 = u64::from_be_bytes(*b"PREPARE ");

/// Number of characters of a failed statement that an error shows.
const SHOWN_OF_FAILED: usize = 200;

/// Numbers of messages sent over a connection. They only grow; subtract two snapshots to count those of a piece of
/// work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WireCounts {
    /// Number of executed prepared statements (`Execute`).
    pub executes: u64,
    /// Number of prepared statements (`Parse`).
    pub prepares: u64,
    /// Number of simple queries: BEGIN, COMMIT, SET, pings (`Query`).
    pub simple: u64,
}

/// An error sent by the server.
#[derive(Clone, Debug)]
pub(crate) struct ServerError {
    pub(crate) sqlstate: SqlState,
    pub(crate) message: String,
    /// Beginning of the statement that failed.
    pub(crate) statement: Option<String>,
    /// True if a plan, type or prepared statement of the session is out of date after a schema change.
    pub(crate) is_stale: bool,
}

/// Requests and answers in progress. The guard locks this once per read or write.
#[derive(Debug)]
struct Dialogue {
    statements: Statements,
    /// Operation that the session works for.
    operation: &'static str,
    /// Threshold for slow statements of the operation.
    slow_after: Duration,
    /// Capture of the session, if it is recorded.
    capture: Option<Box<SessionCapture>>,
    /// Log of NULL parameters, if enabled.
    binds: Option<BindLog>,
    /// True if anything but a Close was sent since the last Sync.
    has_work: bool,
}

/// State of one connection. The guard updates it as bytes pass; reading it needs no round trip.
#[derive(Debug)]
pub(crate) struct Wire {
    /// Transaction status: I (idle), T (in a transaction), E (in a failed one), 0 before the first answer.
    status: AtomicU8,
    /// Number of requests that make the server work and whose ReadyForQuery is outstanding. Closing a prepared
    /// statement, which the library does at any time, does not count.
    in_flight: AtomicI64,
    /// True if rows or an error of the oldest request were received, but not the end of its answer.
    answering: AtomicBool,
    /// True if an error of the oldest request was received, but not the end of its answer.
    failed: AtomicBool,
    /// Number of statements sent that may have changed the session beyond their transaction, minus those undone.
    alterations: AtomicU64,
    /// Number of times that a transaction began or ended; wraps around.
    boundaries: AtomicU32,
    /// Number of bytes received.
    received: AtomicU64,
    /// The first eight bytes of the last command tag, enough to distinguish COMMIT from ROLLBACK.
    tag: AtomicU64,
    closed: AtomicBool,
    listens: AtomicBool,
    executes: AtomicU64,
    prepares: AtomicU64,
    simple: AtomicU64,
    dialogue: Mutex<Dialogue>,
    statement_log: StatementLog,
    errors: Mutex<VecDeque<ServerError>>,
    has_errors: AtomicBool,
    /// Time of the last received bytes, or of the first request since all answers were received.
    last_activity: LastActivity,
    server: Arc<Server>,
}

impl Wire {
    pub(crate) fn new(server: Arc<Server>, statement_log: StatementLog, recorder: Option<&Recorder>) -> Self {
        Self {
            status: AtomicU8::new(0),
            in_flight: AtomicI64::new(0),
            answering: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            alterations: AtomicU64::new(0),
            boundaries: AtomicU32::new(0),
            received: AtomicU64::new(0),
            tag: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            listens: AtomicBool::new(false),
            executes: AtomicU64::new(0),
            prepares: AtomicU64::new(0),
            simple: AtomicU64::new(0),
            dialogue: Mutex::new(Dialogue {
                statements: Statements::default(),
                operation: "unnamed",
                slow_after: statement_log.slow_after,
                capture: recorder.map(|recorder| Box::new(SessionCapture::new(recorder.clone()))),
                binds: BindLog::of_process(),
                has_work: false,
            }),
            statement_log,
            errors: Mutex::default(),
            has_errors: AtomicBool::new(false),
            last_activity: LastActivity::now(),
            server,
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        !self.has_requests_in_flight() && self.status.load(Relaxed) == b'I' && !self.is_closed()
    }

    pub(crate) fn is_in_transaction(&self) -> bool {
        self.status.load(Relaxed) == b'T'
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Relaxed)
    }

    /// Returns true if a LISTEN was executed. Its notifications would be lost.
    pub(crate) fn listens(&self) -> bool {
        self.listens.load(Relaxed)
    }

    pub(crate) fn has_requests_in_flight(&self) -> bool {
        self.in_flight.load(Acquire) != 0
    }

    /// Returns true if the server is sending the answer to the oldest request.
    pub(crate) fn is_answering(&self) -> bool {
        self.has_requests_in_flight() && self.answering.load(Acquire) && !self.is_closed()
    }

    /// Returns true if the oldest request has failed and the server has only the end of its answer to send.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Relaxed)
    }

    /// Returns the number of bytes received.
    pub(crate) fn received_bytes(&self) -> u64 {
        self.received.load(Relaxed)
    }

    /// Returns true if a statement was sent that may have changed the session beyond its transaction.
    pub(crate) fn is_altered(&self) -> bool {
        self.alterations.load(Relaxed) != 0
    }

    /// Removes one alteration, whose effect was undone.
    pub(crate) fn undo_alteration(&self) {
        self.alterations.store(self.alterations.load(Relaxed).saturating_sub(1), Relaxed);
    }

    /// Makes the current state of the session its initial state.
    pub(crate) fn set_up(&self) {
        self.alterations.store(0, Relaxed);
    }

    /// Returns the number of times that a transaction began or ended on this connection.
    pub(crate) fn boundaries(&self) -> u32 {
        self.boundaries.load(Relaxed)
    }

    /// Returns the number of prepared statements of the session.
    pub(crate) fn prepared_statements(&self) -> usize {
        self.dialogue().statements.prepared()
    }

    /// Returns true if a statement without an answer may commit its transaction.
    pub(crate) fn may_be_committing(&self) -> bool {
        self.dialogue().statements.may_be_committing()
    }

    /// Returns true if the last command was a COMMIT and the session is idle.
    pub(crate) fn has_committed(&self) -> bool {
        self.tag.load(Relaxed) == COMMIT && self.status.load(Relaxed) == b'I'
    }

    pub(crate) fn counts(&self) -> WireCounts {
        WireCounts {
            executes: self.executes.load(Relaxed),
            prepares: self.prepares.load(Relaxed),
            simple: self.simple.load(Relaxed),
        }
    }

    /// Returns the last error with the text `message`.
    pub(crate) fn error_with(&self, message: &str) -> Option<ServerError> {
        self.errors().iter().rev().find(|seen| seen.message == message).cloned()
    }

    /// Returns the last error since [`Wire::forget_errors`].
    pub(crate) fn last_error(&self) -> Option<ServerError> {
        if self.has_errors.load(Relaxed) { self.errors().back().cloned() } else { None }
    }

    pub(crate) fn set_operation(&self, operation: &'static str, slow_after: Option<Duration>) {
        let mut dialogue = self.dialogue();
        dialogue.operation = operation;
        dialogue.slow_after = slow_after.unwrap_or(self.statement_log.slow_after);
    }

    pub(crate) fn forget_errors(&self) {
        if self.has_errors.swap(false, Relaxed) {
            self.errors().clear();
        }
    }

    fn errors(&self) -> MutexGuard<'_, VecDeque<ServerError>> {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn dialogue(&self) -> MutexGuard<'_, Dialogue> {
        self.dialogue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        if !self.closed.swap(true, Relaxed) {
            self.server.lost_session();
        }
    }

    /// Processes bytes received at `now`.
    fn on_received(&self, bytes: &[u8], frames: &mut Frames, now: Instant) {
        if bytes.is_empty() {
            return;
        }
        let moment = Moment::at(now);
        self.last_activity.touch(moment);
        let mut dialogue = self.dialogue();
        self.received.store(self.received_bytes() + bytes.len() as u64, Relaxed);
        frames.feed(bytes, received_limit, |tag, body| {
            if let Some(capture) = &mut dialogue.capture {
                capture.received(tag, body);
            }
            self.received(&mut dialogue, now, tag, body);
        });
        if self.is_established() {
            self.server.served(moment);
        } else if !self.is_closed() {
            self.server.answered_opening(moment);
        }
    }

    /// Processes bytes sent at `now`.
    fn on_sent(&self, bytes: &[u8], frames: &mut Frames, now: Instant) {
        let mut dialogue = self.dialogue();
        let is_recorded = dialogue.capture.is_some() || dialogue.binds.is_some();
        let limit = if is_recorded { recorded_limit } else { sent_limit };
        frames.feed(bytes, limit, |tag, body| {
            let operation = dialogue.operation;
            if let Some(capture) = &mut dialogue.capture {
                capture.sent(tag, body, operation);
            }
            if let Some(binds) = &mut dialogue.binds {
                binds.sent(tag, body);
            }
            self.sent(&mut dialogue, now, tag, body);
        });
    }

    /// Processes a message to the server. Its body is cut as defined by [`sent_limit`].
    fn sent(&self, dialogue: &mut Dialogue, now: Instant, tag: u8, body: &[u8]) {
        if matches!(tag, b'P' | b'B' | b'E' | b'Q' | frames::STARTUP) {
            dialogue.has_work = true;
        }
        match tag {
            b'P' => {
                count(&self.prepares);
                dialogue.statements.parsed(body, now);
            }
            b'B' => {
                let statement = dialogue.statements.bound(body, now);
                if statement.is_some_and(|statement| statement.alters_session) {
                    count(&self.alterations);
                }
                self.statement_log.sent(statement.map_or("", |statement| &statement.text));
            }
            b'E' => count(&self.executes),
            b'Q' => {
                count(&self.simple);
                let statement = dialogue.statements.queried(body, now);
                if statement.alters_session {
                    count(&self.alterations);
                }
                self.statement_log.sent(&statement.text);
                self.request_sent(dialogue, now);
            }
            b'C' => dialogue.statements.closed(body),
            b'S' | frames::STARTUP => self.request_sent(dialogue, now),
            _ => {}
        }
    }

    /// Adds `requests` to those in flight and returns their number. Only the holder of the dialogue lock writes.
    fn add_in_flight(&self, requests: i64) -> i64 {
        let in_flight = self.in_flight.load(Relaxed) + requests;
        self.in_flight.store(in_flight, Release);
        in_flight
    }

    fn request_sent(&self, dialogue: &mut Dialogue, now: Instant) {
        let works = std::mem::take(&mut dialogue.has_work);
        dialogue.statements.request_sent(works);
        if works && self.add_in_flight(1) == 1 {
            // The silence of the server is measured from the first outstanding request.
            self.last_activity.touch(Moment::at(now));
        }
    }

    /// Processes a message from the server. Its body is cut as defined by [`received_limit`].
    fn received(&self, dialogue: &mut Dialogue, now: Instant, tag: u8, body: &[u8]) {
        match (tag, body) {
            (b'Z', [status, ..]) => {
                self.status.store(*status, Relaxed);
                // This order guarantees that readers who see the end of the answer also see that the request is not in
                // flight.
                if dialogue.statements.ready() {
                    self.add_in_flight(-1);
                }
                self.failed.store(false, Relaxed);
                self.answering.store(false, Release);
            }
            (b'D', _) => self.answering.store(true, Relaxed),
            (b'C', tag) => {
                let word = tag_word(tag);
                self.tag.store(word, Relaxed);
                if word == LISTEN {
                    self.listens.store(true, Relaxed);
                }
                let statement = self.answered(dialogue, now);
                if is_boundary(word, statement.as_deref()) {
                    self.boundaries.store(self.boundaries().wrapping_add(1), Relaxed);
                }
            }
            (b'1' | b'I', _) => _ = self.answered(dialogue, now),
            (b'E', fields) => self.record_error(dialogue, now, fields),
            _ => {}
        }
    }

    /// Returns the text of the answered statement, and logs it if it was slow.
    fn answered(&self, dialogue: &mut Dialogue, now: Instant) -> Option<Arc<str>> {
        let Answered { text, took } = dialogue.statements.answered(now)?;
        if took >= dialogue.slow_after {
            self.statement_log.slow(dialogue.operation, text.as_deref().unwrap_or_default(), took);
        }
        text
    }

    fn record_error(&self, dialogue: &mut Dialogue, now: Instant, fields: &[u8]) {
        let field = |name: u8| {
            let found = fields.split(|byte| *byte == 0).find(|field| field.first() == Some(&name))?;
            std::str::from_utf8(&found[1..]).ok()
        };
        let (Some(sqlstate), Some(message)) = (field(b'C').and_then(SqlState::parse), field(b'M')) else {
            return;
        };
        self.answering.store(true, Relaxed);
        self.failed.store(true, Relaxed);
        // The server closes the connection without further messages, so no answer is outstanding.
        if matches!(field(b'V'), Some("FATAL" | "PANIC")) {
            self.close();
        }
        dialogue.statements.failed();
        let statement = self.answered(dialogue, now).map(|text| text.chars().take(SHOWN_OF_FAILED).collect());
        let mut errors = self.errors();
        if errors.len() == ERRORS_STORED {
            errors.pop_front();
        }
        let is_stale = is_stale(sqlstate, message, field(b'R').unwrap_or_default());
        errors.push_back(ServerError { sqlstate, message: message.to_owned(), statement, is_stale });
        self.has_errors.store(true, Relaxed);
    }
}

impl Session for Wire {
    fn is_established(&self) -> bool {
        self.status.load(Relaxed) != 0 && !self.is_closed()
    }

    fn silent_for(&self) -> Duration {
        if self.has_requests_in_flight() { self.last_activity.silent_for() } else { Duration::ZERO }
    }
}

/// Returns true if the command began or ended a transaction. `ROLLBACK TO SAVEPOINT` has the same tag as ROLLBACK.
fn is_boundary(tag: u64, statement: Option<&str>) -> bool {
    let is_to_savepoint = || {
        let words = statement.unwrap_or_default().to_ascii_uppercase();
        words.starts_with("ROLLBACK TO ") && !words.contains(';')
    };
    match tag {
        BEGIN | START_TRANSACTION | COMMIT | PREPARE_TRANSACTION => true,
        ROLLBACK => !is_to_savepoint(),
        _ => false,
    }
}

/// Returns true if the error means that the schema changed after the session had prepared a statement or looked up a
/// type. The server's function names and internal messages are the same in every language.
fn is_stale(sqlstate: SqlState, message: &str, function: &str) -> bool {
    match sqlstate.as_str() {
        "0A000" => function == "RevalidateCachedQuery",
        "26000" => function == "FetchPreparedStatement",
        "42704" => function == "lookup_type_cache",
        "XX000" => message.starts_with("cache lookup failed for type "),
        _ => false,
    }
}

/// Increments a counter. Only the holder of the dialogue lock writes, so no atomic addition is needed.
fn count(counter: &AtomicU64) {
    counter.store(counter.load(Relaxed) + 1, Relaxed);
}

/// Returns the number of bytes read of a message from the server: ReadyForQuery, CommandComplete, ErrorResponse.
fn received_limit(tag: u8) -> usize {
    match tag {
        b'Z' | b'C' => 64,
        b'E' => 16 * 1024,
        _ => 0,
    }
}

/// Returns the number of bytes read of a message to the server: statements, and the names in Bind and Close. Values,
/// which follow the names, are never read.
fn sent_limit(tag: u8) -> usize {
    match tag {
        b'P' | b'Q' => 1 << 20,
        b'B' | b'C' => 64,
        _ => 0,
    }
}

/// Returns the number of bytes read of a message to the server in a recorded session: whole statements and values.
/// Passwords and copied rows are never read.
fn recorded_limit(tag: u8) -> usize {
    match tag {
        b'P' | b'B' | b'E' | b'Q' | b'C' => MESSAGE_MAX,
        _ => 0,
    }
}

fn tag_word(tag: &[u8]) -> u64 {
    let text = tag.split(|byte| *byte == 0).next().unwrap_or_default();
    let mut word = [0; 8];
    let length = text.len().min(8);
    word[..length].copy_from_slice(&text[..length]);
    u64::from_be_bytes(word)
}

#[cfg(test)]
mod tests;
