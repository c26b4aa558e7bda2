//! One session with the server: diesel-async's connection over the protocol guard.

mod diesel_traits;

use crate::error::{ConnectError, Error};
use crate::target::{Stream, Target};
use crate::wire::{Guard, Wire, WireCounts};
use crate::{Operation, SqlState, error};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_postgres::NoTls;

/// The longest that a cancel request may take before the session is just cut.
const CANCEL_LIMIT: Duration = Duration::from_secs(1);

/// A session with the server. Queries run on `&mut Conn`, and pipelined on `&Conn`.
///
/// It knows, without asking the server, whether a transaction is open, whether an answer is outstanding, and the
/// SQLSTATE of each error. Dropped while an answer is outstanding, it asks the server to stop working.
pub struct Conn {
    inner: AsyncPgConnection,
    wire: Arc<Wire>,
    target: Arc<Target>,
    statements: AtomicU32,
    driver: AbortHandle,
}

impl Conn {
    /// Opens a session.
    pub(crate) async fn open(target: Arc<Target>) -> Result<Self, ConnectError> {
        let wire = Arc::new(Wire::new(target.heard.clone(), target.statement_log));
        let guard: Guard<Box<dyn Stream>> = Guard::new(target.dial().await?, wire.clone());
        let opened = target.config.connect_raw(guard, NoTls).await;
        let (client, connection) = opened.map_err(|error| refusal(&target, &wire, &error))?;
        // Ends by itself when the client is dropped and the last answer has come.
        let driver = tokio::spawn(async move { _ = connection.await }).abort_handle();
        let inner = AsyncPgConnection::try_from(client).await;
        let inner = inner.map_err(|error| {
            driver.abort();
            refusal(&target, &wire, &error)
        })?;
        Ok(Self { inner, wire, target, statements: AtomicU32::new(0), driver })
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
        error::Error::from_diesel(error, |message| self.wire.sqlstate_of(message))
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

    /// Starts counting statements and errors anew.
    pub(crate) fn begin_unit(&self) {
        self.statements.store(0, Relaxed);
        self.wire.forget_errors();
    }

    /// Whether the next borrower finds it as a fresh one: nothing outstanding, no transaction, alive.
    pub(crate) fn is_reusable(&self) -> bool {
        self.wire.is_idle() && !self.wire.last_error().is_some_and(|seen| seen.sqlstate.ends_session())
    }

    /// Whether the server may still be working for it.
    pub(crate) fn is_busy(&self) -> bool {
        self.wire.has_requests_in_flight() && !self.wire.is_closed()
    }

    /// Whether the last command that the server completed was `tag`.
    pub(crate) fn last_command_was(&self, tag: &str) -> bool {
        self.wire.last_command_was(tag)
    }

    /// One round trip that costs the server nothing.
    pub(crate) async fn ping(&mut self) -> Result<(), Error> {
        let answer = self.inner.batch_execute("").await;
        answer.map_err(|error| self.classify(error))
    }

    /// Asks the server to stop what it does for this session, then ends the session. Takes at most a second; `false` when
    /// the server did not even take notice in that time.
    pub(crate) async fn cancel_and_close(self) -> bool {
        let cancel = async {
            let mut stream = self.target.dial().await.ok()?;
            self.inner.cancel_token().cancel_query_raw(&mut stream, NoTls).await.ok()?;
            // The server says nothing, it closes; until then nobody has read the request.
            stream.read_to_end(&mut Vec::new()).await.ok()
        };
        // Refused is an answer too; only silence is none.
        timeout(CANCEL_LIMIT, cancel).await.is_ok()
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
        if !self.wire.is_idle() {
            self.driver.abort();
        }
    }
}

impl std::fmt::Debug for Conn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conn").field("address", &self.target.address()).field("wire", &self.wire).finish()
    }
}

/// Why no session came about: the server's own refusal where it gave one.
fn refusal(target: &Target, wire: &Wire, error: &dyn std::error::Error) -> ConnectError {
    match wire.last_error() {
        Some(seen) => ConnectError::Refused {
            address: target.address(),
            sqlstate: seen.sqlstate,
            message: seen.message,
        },
        None => target.unreachable(error.to_string()),
    }
}
