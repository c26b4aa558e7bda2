//! Opening connections with limited concurrency. While opening fails, only the prober tries.

use super::Inner;
use super::impairment::Cause;
use super::scheduled_timeout::ScheduledTimeout;
use crate::Conn;
use crate::activity::Moment;
use crate::error::{ConnectError, Error};
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;
use steadfast_resilience::Deadline;
use tokio::time::{Instant, timeout_at};

/// Maximum time for opening a connection while the server keeps sending, unless the target's own limit is longer.
const OPENING_MAX: Duration = Duration::from_secs(10);

/// Minimum time that a failed attempt must have had before the server's silence means anything.
const MIN_CONCLUSIVE_TIME: Duration = Duration::from_millis(500);

/// Reason why a caller gets no new connection.
pub(super) enum NoConnection {
    /// No further connection can be opened at present, but open sessions may work.
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
    /// Opens a connection before `deadline`. After a lost session, one caller connects first and the others wait for
    /// its result.
    pub(super) async fn connect(self: &Arc<Self>, deadline: Deadline) -> Result<Conn, NoConnection> {
        let began = Instant::now();
        let by = deadline.instant();
        let out_of_time = |_| out_of_time(began, Duration::ZERO);
        self.check_connectable()?;
        let alone = match self.freshness.is_server_suspect() {
            true => Some(timeout_at(by, self.connect_lock.acquire()).await.map_err(out_of_time)?),
            false => None,
        };
        self.check_connectable()?;
        let _alone = alone.filter(|_| self.freshness.is_server_suspect());
        let _few = timeout_at(by, self.connecting.acquire()).await.map_err(out_of_time)?;
        self.check_connectable()?;
        self.connect_now(deadline).await
    }

    /// Makes one attempt. The server's silence is measured from here on.
    async fn connect_now(self: &Arc<Self>, deadline: Deadline) -> Result<Conn, NoConnection> {
        let (began, asked) = (Instant::now(), Moment::now());
        let mut scheduled_timeout = ScheduledTimeout::default();
        let attempt = {
            let opening = pin!(self.open());
            timeout_at(deadline.instant(), self.while_answering(&mut scheduled_timeout, opening)).await
        };
        let (cause, had_time) = match attempt {
            Ok(Some(Ok(conn))) => {
                self.note_connected();
                return Ok(conn);
            }
            Ok(Some(Err(cause))) => (Cause::Refused(cause), true),
            Ok(None) => (Cause::Silent, true),
            // Slow progress or a caller with little time proves nothing about the server.
            Err(_)
                if scheduled_timeout.spent() < MIN_CONCLUSIVE_TIME
                    || self.server.answered_opening_since(asked) =>
            {
                return Err(out_of_time(began, began.elapsed()).into());
            }
            Err(_) => (Cause::Silent, false),
        };
        let is_outage = had_time && self.cannot_serve_callers(&cause, asked);
        let silent = if matches!(cause, Cause::Silent) { began.elapsed() } else { Duration::ZERO };
        self.impair(cause, is_outage, silent);
        match self.check_connectable() {
            Err(NoConnection::Impaired) if !had_time => Err(self.deadline_error(began, asked).into()),
            Err(why) => Err(why),
            // The impairment has ended already.
            Ok(()) => Err(NoConnection::Impaired),
        }
    }

    /// Returns the error of a caller whose deadline passed while the server sent nothing.
    fn deadline_error(&self, began: Instant, asked: Moment) -> Error {
        let silent = began.elapsed();
        match self.impairment() {
            Some((cause, _)) if !self.server.served_since(asked) => cause.into(),
            _ => out_of_time(began, silent),
        }
    }

    /// Returns the output of `opening`, or `None` if no host of the target sends anything within its limit.
    pub(super) async fn while_answering<F: Future>(
        &self,
        scheduled_timeout: &mut ScheduledTimeout,
        mut opening: Pin<&mut F>,
    ) -> Option<F::Output> {
        let (began, limit) = (Instant::now(), self.target.connect_limit());
        loop {
            let asked = Moment::now();
            if let Some(output) = scheduled_timeout.wait(limit, opening.as_mut()).await {
                return Some(output);
            }
            if !self.server.answered_opening_since(asked) || began.elapsed() >= OPENING_MAX.max(limit) {
                return None;
            }
        }
    }

    /// Opens a connection regardless of earlier failures.
    pub(super) async fn open(&self) -> Result<Conn, ConnectError> {
        let conn = Conn::open(self.target.clone()).await?;
        self.freshness.note_connected();
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
