//! One session with the server: diesel-async's connection over the protocol guard.

mod call;
mod classify;
mod diesel_traits;
mod ignore_shutdown;
mod recorded;
mod save_changes;
mod transactions;
mod work;

pub use transactions::{Nesting, Transactions};
pub use work::{NestedWork, UnitOfWork, Work, WorkOnce};

use crate::activity::Session as _;
use crate::connect::{self, Session};
use crate::error::{ConnectError, Error};
use crate::stream::AlreadySecured;
use crate::target::{Peer, Target};
use crate::wire::{Wire, WireCounts};
use crate::{AnyOperation, Kind, SqlState};
use diesel::connection::CacheSize;
use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use ignore_shutdown::IgnoreShutdown;
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

/// Maximum time for receiving the rest of an answer that nobody reads, before the session is cancelled.
const DRAIN: Duration = Duration::from_secs(1);

/// As [`DRAIN`], after an error: the server does nothing for the session any more.
const DRAIN_FAILED: Duration = Duration::from_secs(5);

/// Maximum number of bytes of an answer that nobody reads.
const DRAIN_BYTES: u64 = 4 << 20;

/// Interval for comparing what has come with [`DRAIN_BYTES`].
const DRAIN_CHECK: Duration = Duration::from_millis(5);

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
    nesting: Nesting,
    /// Whether the transaction of the present unit of work may only read.
    reads_only: bool,
    driver: Option<JoinHandle<()>>,
}

impl Conn {
    /// Opens a session. The caller has to apply [`Target::connect_limit`].
    pub(crate) async fn open(target: Arc<Target>) -> Result<Self, ConnectError> {
        let Session { inner, wire, peer, driver } = connect::open(&target).await?;
        let (statements, unfinished) = (AtomicU32::new(0), AtomicU32::new(0));
        let (nesting, reads_only) = (Nesting::default(), false);
        Ok(Self { inner, wire, target, peer, statements, unfinished, nesting, reads_only, driver })
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

    /// Whether a transaction is open and can go on.
    pub(crate) fn is_in_transaction(&self) -> bool {
        self.wire.is_in_transaction()
    }

    /// Starts to report slow statements for `operation`, by its own threshold if it has one.
    pub(crate) fn set_operation(&mut self, operation: &'static AnyOperation) {
        self.wire.set_operation(operation.name(), operation.own_slow_after());
        self.reads_only = operation.kind() == Kind::Snapshot
            || operation.kind() == Kind::Read && self.is_pooled_by_transaction();
    }

    /// Number of times that a transaction began or ended on this connection.
    pub(crate) fn boundaries(&self) -> u32 {
        self.wire.boundaries()
    }

    /// Returns true if a statement without an answer may commit the transaction.
    pub(crate) fn may_be_committing(&self) -> bool {
        self.wire.may_be_committing()
    }

    /// Time after which the server ends a statement by itself; zero if it never does.
    pub(crate) fn statement_timeout(&self) -> Duration {
        self.target.statement_timeout
    }

    /// Closes all prepared statements if there are more than the session may keep.
    pub(crate) fn bound_statement_cache(&mut self) {
        if !self.target.pooled_by_transaction && self.wire.prepared_statements() > self.target.statement_cache
        {
            // diesel-async cannot close single statements. A change of the size closes all of them.
            self.inner.set_prepared_statement_cache_size(CacheSize::Disabled);
            self.inner.set_prepared_statement_cache_size(CacheSize::Unbounded);
        }
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

    /// Returns true if the next borrower finds the session as it was opened: nothing outstanding, no transaction, alive.
    pub(crate) fn is_reusable(&self) -> bool {
        self.is_idle()
            && self.nesting.is_none()
            && !self.wire.listens()
            && !self.wire.is_altered()
            && !self.wire.last_error().is_some_and(|seen| {
                // A server that refuses to write may be a standby now; its address leads to the new primary.
                seen.sqlstate.ends_session() || seen.is_stale || seen.sqlstate == SqlState::READ_ONLY
            })
    }

    /// Returns true if a statement was sent that may have changed the session beyond its transaction.
    pub(crate) fn is_altered(&self) -> bool {
        self.wire.is_altered()
    }

    /// Takes back the oldest alteration: what it left behind is gone.
    pub(crate) fn undo_alteration(&self) {
        self.wire.undo_alteration();
    }

    /// Returns true if the last error concerns every session that was opened before it: the schema has changed, or the
    /// server refuses writes.
    pub(crate) fn invalidates_older_sessions(&self) -> bool {
        self.wire.last_error().is_some_and(|seen| match seen.sqlstate {
            SqlState::READ_ONLY => !self.reads_only,
            SqlState::UNKNOWN_STATEMENT => false,
            _ => seen.is_stale,
        })
    }

    /// Returns true if the server may still be working for the session.
    pub(crate) fn is_busy(&self) -> bool {
        (self.wire.has_requests_in_flight() || self.has_unfinished_calls()) && !self.wire.is_closed()
    }

    /// Returns true if all that is missing is the rest of an answer that the server has begun to send.
    pub(crate) fn is_receiving(&self) -> bool {
        self.wire.is_answering() && !self.has_unfinished_calls()
    }

    /// Receives what the server is still sending. Returns early if it takes too long or is too much.
    pub(crate) async fn drain(&mut self) {
        let (wire, began) = (self.wire.clone(), self.wire.received_bytes());
        let limit = if wire.has_failed() { DRAIN_FAILED } else { DRAIN };
        let too_much = async {
            while wire.received_bytes() - began < DRAIN_BYTES {
                tokio::time::sleep(DRAIN_CHECK).await;
            }
        };
        tokio::select! {
            _ = timeout(limit, self.ping()) => {}
            () = too_much => {}
        }
    }

    /// Whether the server has ended it.
    pub(crate) fn is_closed(&self) -> bool {
        self.wire.is_closed()
    }

    /// Nothing outstanding, nothing about to be sent, no transaction, alive.
    fn is_idle(&self) -> bool {
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
                token.cancel_query_raw(IgnoreShutdown(&mut stream), AlreadySecured).await.ok()?;
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

    fn count_statement(&self) {
        self.statements.fetch_add(1, Relaxed);
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        // With an answer outstanding the driver would wait for it, and the server would finish what nobody wants.
        if let Some(driver) = self.driver.take().filter(|_| !self.is_idle()) {
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
