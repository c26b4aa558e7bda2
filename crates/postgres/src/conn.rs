//! A session with the server: diesel-async's connection on top of the protocol guard.

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

/// Time limit for a cancel request, after which the session is aborted.
const CANCEL_LIMIT: Duration = Duration::from_secs(1);

/// Time for a cancelled session to end before it is cancelled again.
const CANCEL_PAUSE: Duration = Duration::from_millis(100);

/// Maximum number of cancel requests for a session. The first may arrive before the statement that it is meant for.
const CANCELS: u32 = 5;

/// Maximum wait for the end of a session.
const END_LIMIT: Duration = Duration::from_secs(1);

/// Maximum time for receiving the rest of an abandoned answer before the session is cancelled.
const DRAIN: Duration = Duration::from_secs(1);

/// Replaces [`DRAIN`] after an error, when the server no longer works for the session.
const DRAIN_FAILED: Duration = Duration::from_secs(5);

/// Maximum number of bytes of an abandoned answer.
const DRAIN_BYTES: u64 = 4 << 20;

/// Interval for comparing the received bytes with [`DRAIN_BYTES`].
const DRAIN_CHECK: Duration = Duration::from_millis(5);

/// A session with the server. Queries run on `&mut Conn`, and pipelined on `&Conn`.
///
/// It tracks, without asking the server, whether a transaction is open, whether an answer is outstanding, and the
/// SQLSTATE of each error. If it is dropped while an answer is outstanding, the session is aborted.
pub struct Conn {
    inner: AsyncPgConnection,
    wire: Arc<Wire>,
    target: Arc<Target>,
    /// Destination of cancel requests for the session.
    peer: Peer,
    statements: AtomicU32,
    /// Number of calls that have begun and not finished, including those whose future was dropped: the library may
    /// still send their requests.
    unfinished: AtomicU32,
    nesting: Nesting,
    /// True if the transaction of the current unit of work is read-only.
    reads_only: bool,
    driver: Option<JoinHandle<()>>,
}

impl Conn {
    /// Opens a session. The caller must apply [`Target::connect_limit`].
    pub(crate) async fn open(target: Arc<Target>) -> Result<Self, ConnectError> {
        let Session { inner, wire, peer, driver } = connect::open(&target).await?;
        let (statements, unfinished) = (AtomicU32::new(0), AtomicU32::new(0));
        let (nesting, reads_only) = (Nesting::default(), false);
        Ok(Self { inner, wire, target, peer, statements, unfinished, nesting, reads_only, driver })
    }

    /// Returns the number of statements that the current unit of work has run.
    pub fn statements(&self) -> u32 {
        self.statements.load(Relaxed)
    }

    /// Returns the counts of messages sent since the session began.
    pub fn wire_counts(&self) -> WireCounts {
        self.wire.counts()
    }

    /// Returns the SQLSTATE of the last error of the current unit of work.
    pub fn last_sqlstate(&self) -> Option<SqlState> {
        self.wire.last_error().map(|seen| seen.sqlstate)
    }

    /// Returns true if a transaction is open and has not failed.
    pub(crate) fn is_in_transaction(&self) -> bool {
        self.wire.is_in_transaction()
    }

    /// Sets the operation for which slow statements are reported, with its own threshold if it has one.
    pub(crate) fn set_operation(&mut self, operation: &'static AnyOperation) {
        self.wire.set_operation(operation.name(), operation.own_slow_after());
        self.reads_only = operation.kind() == Kind::Snapshot
            || operation.kind() == Kind::Read && self.is_pooled_by_transaction();
    }

    /// Returns the number of times that a transaction began or ended on this connection.
    pub(crate) fn boundaries(&self) -> u32 {
        self.wire.boundaries()
    }

    /// Returns true if a statement without an answer may commit the transaction.
    pub(crate) fn may_be_committing(&self) -> bool {
        self.wire.may_be_committing()
    }

    /// Returns the server's statement timeout; zero means none.
    pub(crate) fn statement_timeout(&self) -> Duration {
        self.target.statement_timeout
    }

    /// Closes all prepared statements if there are more than the cache may hold.
    pub(crate) fn bound_statement_cache(&mut self) {
        if !self.target.pooled_by_transaction && self.wire.prepared_statements() > self.target.statement_cache
        {
            // diesel-async cannot close single statements, but changing the size closes all of them.
            self.inner.set_prepared_statement_cache_size(CacheSize::Disabled);
            self.inner.set_prepared_statement_cache_size(CacheSize::Unbounded);
        }
    }

    /// Returns true if consecutive statements outside of a transaction may run on different servers.
    pub(crate) fn is_pooled_by_transaction(&self) -> bool {
        self.target.pooled_by_transaction
    }

    /// Resets the counters of statements and errors.
    pub(crate) fn begin_unit(&self) {
        self.statements.store(0, Relaxed);
        self.wire.forget_errors();
    }

    /// Returns true if the session can be reused: alive, without a transaction, outstanding answers or changed state.
    pub(crate) fn is_reusable(&self) -> bool {
        self.is_idle()
            && self.nesting.is_none()
            && !self.wire.listens()
            && !self.wire.is_altered()
            && !self.wire.last_error().is_some_and(|seen| {
                // A server that refuses writes may have become a standby; its address may lead to the new primary.
                seen.sqlstate.ends_session() || seen.is_stale || seen.sqlstate == SqlState::READ_ONLY
            })
    }

    /// Returns true if a statement was sent that may have changed the session beyond its transaction.
    pub(crate) fn is_altered(&self) -> bool {
        self.wire.is_altered()
    }

    /// Removes the oldest alteration, whose effect was undone.
    pub(crate) fn undo_alteration(&self) {
        self.wire.undo_alteration();
    }

    /// Returns true if the last error affects every session opened before it: the schema has changed, or the server
    /// refuses writes.
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

    /// Returns true if only the rest of an answer is outstanding that the server has begun to send.
    pub(crate) fn is_receiving(&self) -> bool {
        self.wire.is_answering() && !self.has_unfinished_calls()
    }

    /// Receives the rest of the answer. Returns early if it takes too long or is too large.
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

    /// Returns true if the server has ended the session.
    pub(crate) fn is_closed(&self) -> bool {
        self.wire.is_closed()
    }

    /// Returns true if no request is outstanding or queued, no transaction is open, and the session is alive.
    fn is_idle(&self) -> bool {
        self.wire.is_idle() && !self.has_unfinished_calls()
    }

    fn has_unfinished_calls(&self) -> bool {
        self.unfinished.load(Relaxed) != 0
    }

    /// Sends an empty query, which costs the server almost nothing, and waits for the answer.
    pub(crate) async fn ping(&mut self) -> Result<(), Error> {
        let answer = self.inner.batch_execute("").await;
        answer.map_err(|error| self.classify(error))
    }

    /// Asks the server to cancel the running statement, and ends the session. Takes about a second at most. Returns
    /// false if the server did not react within that time.
    pub(crate) async fn cancel_and_close(self) -> bool {
        let (target, peer, token) = (self.target.clone(), self.peer.clone(), self.inner.cancel_token());
        let mut end = std::pin::pin!(self.end());
        for _ in 0..CANCELS {
            let cancel = async {
                let mut stream = target.dial(&peer).await.ok()?;
                token.cancel_query_raw(IgnoreShutdown(&mut stream), AlreadySecured).await.ok()?;
                // The server closes the stream without a response once it has read the request.
                stream.read_to_end(&mut Vec::new()).await.ok()
            };
            // A refusal is a reaction too; only silence is not.
            if timeout(CANCEL_LIMIT, cancel).await.is_err() {
                return false;
            }
            if timeout(CANCEL_PAUSE, &mut end).await.is_ok() {
                break;
            }
        }
        true
    }

    /// Ends the session and waits up to a second for the server to end it too. If the future is dropped, the session is
    /// aborted.
    pub(crate) async fn end(mut self) {
        let Some(driver) = self.driver.take() else { return };
        let mut driver = AbortOnDrop(driver);
        drop(self);
        _ = timeout(END_LIMIT, &mut driver.0).await;
    }

    /// Returns how long an answer has been outstanding; zero if none is.
    pub(crate) fn silent_for(&self) -> Duration {
        self.wire.silent_for()
    }

    fn count_statement(&self) {
        self.statements.fetch_add(1, Relaxed);
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        // The driver would wait for the outstanding answer, and the server would finish work that no caller needs.
        if let Some(driver) = self.driver.take().filter(|_| !self.is_idle()) {
            driver.abort();
        }
    }
}

/// Driver of a session, aborted on drop.
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl std::fmt::Debug for Conn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conn").field("address", &self.target.address()).field("wire", &self.wire).finish()
    }
}
