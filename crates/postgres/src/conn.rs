//! One session with the server: diesel-async's connection over the protocol guard.

mod call;
mod commit;
mod diesel_traits;
mod save_changes;

pub(crate) use commit::was_rolled_back;

use crate::connect::{self, Session};
use crate::error::{ConnectError, Error};
use crate::stream::AlreadySecured;
use crate::target::{Peer, Target};
use crate::wire::{Wire, WireCounts};
use crate::{Operation, SqlState};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// The longest that a cancel request may take before the session is just cut.
const CANCEL_LIMIT: Duration = Duration::from_secs(1);

/// How long a cancelled session may take to end before it is cancelled again.
const CANCEL_PAUSE: Duration = Duration::from_millis(100);

/// Cancel requests for one session: the first may come before the statement that it is meant for.
const CANCELS: u32 = 5;

/// The longest that the end of a session is waited for.
const END_LIMIT: Duration = Duration::from_secs(1);

/// The library's text for a session that was over before; all others of a lost connection come with its end.
const CLOSED: &str = "connection closed";

/// A session with the server. Queries run on `&mut Conn`, and pipelined on `&Conn`.
///
/// It knows, without asking the server, whether a transaction is open, whether an answer is outstanding, and the
/// SQLSTATE of each error. Dropped while an answer is outstanding, it asks the server to stop working.
pub struct Conn {
    inner: AsyncPgConnection,
    wire: Arc<Wire>,
    target: Arc<Target>,
    /// Where cancel requests for the session go.
    peer: Peer,
    statements: AtomicU32,
    /// Calls that were begun and have not come to their end, also those whose caller has left: the library may still
    /// send what they had handed to it.
    unfinished: AtomicU32,
    driver: Option<JoinHandle<()>>,
}

impl Conn {
    /// Opens a session. The caller has to apply [`Target::connect_limit`].
    pub(crate) async fn open(target: Arc<Target>) -> Result<Self, ConnectError> {
        let Session { inner, wire, peer, driver } = connect::open(&target).await?;
        let (statements, unfinished) = (AtomicU32::new(0), AtomicU32::new(0));
        Ok(Self { inner, wire, target, peer, statements, unfinished, driver })
    }

    /// Statements run through this connection in the current unit of work, by the count of calls.
    pub fn statements(&self) -> u32 {
        self.statements.load(Relaxed)
    }

    /// What went over the wire since the session began.
    pub fn wire_counts(&self) -> WireCounts {
        self.wire.counts()
    }

    /// The SQLSTATE of the last error of this session, until the next unit of work begins.
    pub fn last_sqlstate(&self) -> Option<SqlState> {
        self.wire.last_error().map(|seen| seen.sqlstate)
    }

    /// The error of this layer for an error that diesel gave on this connection.
    pub fn classify(&self, error: diesel::result::Error) -> Error {
        let is_no_loss = |text: &str| !self.wire.is_closed() && text != CLOSED;
        let classified = Error::from_diesel(error, |message| self.wire.sqlstate_of(message), is_no_loss);
        // What the server said last, before it closed, is not in the library's error.
        match (&classified, self.wire.last_error()) {
            (Error::ConnectionLost, Some(seen)) if seen.sqlstate.ends_session() => {
                Error::Server { sqlstate: seen.sqlstate, constraint: None }
            }
            _ => classified,
        }
    }

    /// The SQLSTATE of an error that diesel gave on this connection, where the server gave one.
    pub(crate) fn sqlstate_of(&self, error: &diesel::result::Error) -> Option<SqlState> {
        match error {
            diesel::result::Error::DatabaseError(_, info) => self.wire.sqlstate_of(info.message()),
            _ => None,
        }
    }

    /// Whether a transaction is open and can go on.
    pub(crate) fn is_in_transaction(&self) -> bool {
        self.wire.is_in_transaction()
    }

    /// Has slow statements reported for `operation` from now on, by its own threshold if it has one.
    pub(crate) fn work_for(&self, operation: &'static Operation) {
        self.wire.work_for(operation.name(), operation.own_slow_after());
    }

    /// Whether its statements need a transaction to meet the same server.
    pub(crate) fn is_pooled_by_transaction(&self) -> bool {
        self.target.pooled_by_transaction
    }

    /// Starts counting statements and errors anew.
    pub(crate) fn begin_unit(&self) {
        self.statements.store(0, Relaxed);
        self.wire.forget_errors();
    }

    /// Whether the next borrower finds it as a fresh one: nothing outstanding, no transaction, alive.
    pub(crate) fn is_reusable(&self) -> bool {
        self.is_quiet()
            && !self.wire.listens()
            && !self.wire.last_error().is_some_and(|seen| {
                // A server that refuses to write may be a standby now; its address leads to the new primary.
                seen.sqlstate.ends_session() || seen.sqlstate == SqlState::READ_ONLY
            })
    }

    /// Whether the server may still be working for it.
    pub(crate) fn is_busy(&self) -> bool {
        (self.wire.has_requests_in_flight() || self.has_unfinished_calls()) && !self.wire.is_closed()
    }

    /// Whether the server does nothing for it any more and is about to say so.
    pub(crate) fn is_about_to_be_ready(&self) -> bool {
        self.wire.is_about_to_be_ready() && !self.has_unfinished_calls()
    }

    /// Whether the server has ended it.
    pub(crate) fn is_closed(&self) -> bool {
        self.wire.is_closed()
    }

    /// Nothing outstanding, nothing about to be sent, no transaction, alive.
    fn is_quiet(&self) -> bool {
        self.wire.is_idle() && !self.has_unfinished_calls()
    }

    fn has_unfinished_calls(&self) -> bool {
        self.unfinished.load(Relaxed) != 0
    }

    /// One round trip that costs the server nothing.
    pub(crate) async fn ping(&mut self) -> Result<(), Error> {
        let answer = self.inner.batch_execute("").await;
        answer.map_err(|error| self.classify(error))
    }

    /// Asks the server to stop what it does for this session, and ends the session. Takes at most a second or so;
    /// `false` when the server did not even take notice in that time.
    pub(crate) async fn cancel_and_close(self) -> bool {
        let (target, peer, token) = (self.target.clone(), self.peer.clone(), self.inner.cancel_token());
        let mut end = std::pin::pin!(self.end());
        for _ in 0..CANCELS {
            let cancel = async {
                let mut stream = target.dial(&peer).await.ok()?;
                token.cancel_query_raw(&mut stream, AlreadySecured).await.ok()?;
                // The server says nothing, it closes; until then nobody has read the request.
                stream.read_to_end(&mut Vec::new()).await.ok()
            };
            // Refused is an answer too; only silence is none.
            if timeout(CANCEL_LIMIT, cancel).await.is_err() {
                return false;
            }
            if timeout(CANCEL_PAUSE, &mut end).await.is_ok() {
                break;
            }
        }
        true
    }

    /// Ends the session. Afterwards the server has ended it too, unless it did not within a second; dropped earlier, the
    /// session is cut.
    pub(crate) async fn end(mut self) {
        let Some(driver) = self.driver.take() else { return };
        let mut driver = Cut(driver);
        drop(self);
        _ = timeout(END_LIMIT, &mut driver.0).await;
    }

    /// How long the server has owed an answer; zero when it owes none.
    pub(crate) fn silent_for(&self) -> Duration {
        self.wire.silent_for()
    }

    /// The beginning of the statement that failed last, without its values.
    pub(crate) fn last_failed_statement(&self) -> Option<String> {
        self.wire.last_error().and_then(|error| error.statement)
    }

    fn count_statement(&self) {
        self.statements.fetch_add(1, Relaxed);
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        // With an answer outstanding the driver would wait for it, and the server would finish what nobody wants.
        if let Some(driver) = self.driver.take().filter(|_| !self.is_quiet()) {
            driver.abort();
        }
    }
}

/// The driver of a session that must not outlive this value.
struct Cut(JoinHandle<()>);

impl Drop for Cut {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl std::fmt::Debug for Conn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conn").field("address", &self.target.address()).field("wire", &self.wire).finish()
    }
}
