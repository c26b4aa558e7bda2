//! Opening connections: few at a time, and none on behalf of a caller while they fail.

use super::Inner;
use super::impairment::Cause;
use super::patience::Patience;
use crate::Conn;
use crate::activity::Moment;
use crate::error::{ConnectError, Error};
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;
use steadfast_resilience::Deadline;
use tokio::time::{Instant, timeout_at};

/// How long opening a connection may take if the server sends something now and then, or the target's own limit if that
/// is longer.
const OPENING_MAX: Duration = Duration::from_secs(10);

/// A caller whose deadline leaves less than this to a connect proves nothing if the server sends nothing.
const HURRY: Duration = Duration::from_millis(500);

/// Reason why a caller got no new connection.
pub(super) enum NoConnection {
    /// None can be opened at present. Sessions that are open may work.
    Impaired,
    /// The caller cannot be served.
    Failed(Error),
}

impl From<Error> for NoConnection {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Inner {
    /// Opens a connection, at the latest at `deadline`. Few are opened at once. After a session was lost, one caller
    /// connects and the others wait for what it learns.
    pub(super) async fn connect(self: &Arc<Self>, deadline: Deadline) -> Result<Conn, NoConnection> {
        let began = Instant::now();
        let by = deadline.instant();
        let out_of_time = |_| out_of_time(began, Duration::ZERO);
        self.check_connectable()?;
        let alone = match self.trust.is_server_doubted() {
            true => Some(timeout_at(by, self.connect_lock.acquire()).await.map_err(out_of_time)?),
            false => None,
        };
        self.check_connectable()?;
        let _alone = alone.filter(|_| self.trust.is_server_doubted());
        let _few = timeout_at(by, self.connecting.acquire()).await.map_err(out_of_time)?;
        self.check_connectable()?;
        self.connect_now(deadline).await
    }

    /// Makes one attempt. Only from here on is silence the server's.
    async fn connect_now(self: &Arc<Self>, deadline: Deadline) -> Result<Conn, NoConnection> {
        let (began, asked) = (Instant::now(), Moment::now());
        let mut patience = Patience::default();
        let attempt = {
            let opening = pin!(self.open());
            timeout_at(deadline.instant(), self.while_answering(&mut patience, opening)).await
        };
        let (cause, had_time) = match attempt {
            Ok(Some(Ok(conn))) => {
                self.reached();
                return Ok(conn);
            }
            Ok(Some(Err(cause))) => (Cause::Refused(cause), true),
            Ok(None) => (Cause::Silent, true),
            // Slow, or the caller is in a hurry: that says nothing about the server.
            Err(_) if patience.spent() < HURRY || self.server.answered_opening_since(asked) => {
                return Err(out_of_time(began, began.elapsed()).into());
            }
            Err(_) => (Cause::Silent, false),
        };
        let is_outage = had_time && self.can_serve_nobody(&cause, asked);
        let silent = if matches!(cause, Cause::Silent) { began.elapsed() } else { Duration::ZERO };
        self.impair(cause, is_outage, silent);
        match self.check_connectable() {
            Err(NoConnection::Impaired) if !had_time => Err(self.too_slow(began, asked).into()),
            Err(why) => Err(why),
            // It is over already.
            Ok(()) => Err(NoConnection::Impaired),
        }
    }

    /// Returns the error of a caller whose deadline has passed while the server sent nothing.
    fn too_slow(&self, began: Instant, asked: Moment) -> Error {
        let silent = began.elapsed();
        match self.impairment() {
            Some((cause, _)) if !self.server.served_since(asked) => cause.into(),
            _ => out_of_time(began, silent),
        }
    }

    /// Returns the output of `opening`, or `None` if no host of the target sends anything within its limit.
    pub(super) async fn while_answering<F: Future>(
        &self,
        patience: &mut Patience,
        mut opening: Pin<&mut F>,
    ) -> Option<F::Output> {
        let (began, limit) = (Instant::now(), self.target.connect_limit());
        loop {
            let asked = Moment::now();
            if let Some(output) = patience.wait(limit, opening.as_mut()).await {
                return Some(output);
            }
            if !self.server.answered_opening_since(asked) || began.elapsed() >= OPENING_MAX.max(limit) {
                return None;
            }
        }
    }

    /// Opens a connection, without regard to earlier failures.
    pub(super) async fn open(&self) -> Result<Conn, ConnectError> {
        let conn = Conn::open(self.target.clone()).await?;
        self.trust.reached();
        self.counters.opened();
        Ok(conn)
    }

    fn check_connectable(&self) -> Result<(), NoConnection> {
        if self.is_closed() {
            return Err(Error::PoolClosed.into());
        }
        match self.impairment() {
            Some((cause, true)) => Err(NoConnection::Failed(cause.into())),
            Some((_, false)) => Err(NoConnection::Impaired),
            None => Ok(()),
        }
    }
}

fn out_of_time(began: Instant, silent: Duration) -> Error {
    Error::Deadline { limit: began.elapsed(), silent }
}
