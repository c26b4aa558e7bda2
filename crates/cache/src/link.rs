//! The shared connection to Redis, behind a circuit breaker. Callers wait for Redis no longer than the timeout. Only
//! the background task replaces the connection.

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, FromRedisValue, Pipeline, RedisError};
use std::sync::Arc;
use std::time::Duration;
use steadfast_resilience::{Breaker, BreakerConfig, BreakerState, Class};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};

/// Timeout of a new connection and of a probe.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Maximum number of pending responses. Further requests wait, within their timeout.
const IN_FLIGHT_MAX: usize = 1024;
/// Error codes of a server that cannot serve any request, for example because it loads its data or requires a password.
/// Other errors concern a single command.
const CANNOT_SERVE: [&str; 6] = ["LOADING", "MASTERDOWN", "CLUSTERDOWN", "BUSY", "NOAUTH", "TRYAGAIN"];

/// Error code of a server that cannot persist its data. Redis returns it for writes, and for PING although it serves
/// reads.
const CANNOT_STORE: &str = "MISCONF";
/// Error code of a replica that refuses a write. The address may lead to the new master.
const READ_ONLY: &str = "READONLY";
/// Number of characters of a replication id that are used as the name of a server.
const SERVER_CHARS: usize = 16;
/// Name of a server that does not report its replication id.
const UNNAMED: &str = "unnamed";

/// Failure of a request to Redis. For the caller of the cache, it is a miss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The breaker is open.
    BreakerOpen,
    /// The server cannot be reached, does not respond, or reports that it cannot serve.
    Unavailable,
    /// The server is a replica and refused a write.
    ReadOnly,
    /// The server refused the command: a key of another type, a missing permission, no memory or disk space for a
    /// write.
    Refused,
}

impl Fault {
    /// Returns the value of the metric label.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::BreakerOpen => "resting",
            Self::Unavailable => "unavailable",
            Self::ReadOnly => "read_only",
            Self::Refused => "refused",
        }
    }

    const fn class(self) -> Class {
        match self {
            Self::ReadOnly | Self::Refused => Class::Fault,
            Self::BreakerOpen | Self::Unavailable => Class::Unavailable,
        }
    }

    fn of(error: &RedisError) -> Self {
        // A response of an unexpected type comes from something other than Redis.
        let Some(errors) = error.clone().into_server_errors() else { return Self::Unavailable };
        let has = |codes: &[&str]| errors.iter().any(|(_, error)| codes.contains(&error.code()));
        if has(&CANNOT_SERVE) {
            Self::Unavailable
        } else if has(&[READ_ONLY]) {
            Self::ReadOnly
        } else {
            Self::Refused
        }
    }
}

#[derive(Clone)]
enum State {
    /// There is no connection yet. Callers wait for it.
    Connecting,
    /// There is a connection to the server with this name.
    Connected(MultiplexedConnection, Arc<str>),
    /// The last attempt failed. Callers do not wait.
    Down,
}

/// The connection to Redis.
pub(crate) struct Link {
    client: Client,
    state: watch::Sender<State>,
    breaker: Breaker,
    wake_up: Notify,
    timeout: Duration,
}

impl Link {
    pub(crate) fn new(client: Client, breaker: BreakerConfig, timeout: Duration) -> Self {
        let (state, breaker) = (watch::Sender::new(State::Connecting), Breaker::new("redis", breaker));
        Self { client, state, breaker, wake_up: Notify::new(), timeout }
    }

    pub(crate) fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.server().is_some()
    }

    /// Returns the name of the server, which changes with each restart and each promotion from a replica.
    pub(crate) fn server(&self) -> Option<Arc<str>> {
        match &*self.state.borrow() {
            State::Connected(_, server) => Some(Arc::clone(server)),
            State::Connecting | State::Down => None,
        }
    }

    /// Returns false if the server does not report its name.
    pub(crate) fn has_server_name(&self) -> bool {
        self.server().is_none_or(|server| &*server != UNNAMED)
    }

    /// Returns the maximum time that a caller waits for Redis.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Sends the pipeline that `commands` creates for the name of the server, and returns the response. Fails after
    /// `at_most`.
    pub(crate) async fn ask<T: FromRedisValue>(
        &self,
        at_most: Duration,
        commands: impl FnOnce(&str) -> Pipeline,
    ) -> Result<T, Fault> {
        let permit = self.breaker.try_acquire().map_err(|_| Fault::BreakerOpen)?;
        let asked = timeout(at_most, self.ask_now(commands)).await;
        let outcome = asked.unwrap_or(Err(Fault::Unavailable));
        permit.record(outcome.as_ref().err().map(|fault| fault.class()));
        if outcome.as_ref().is_err_and(|fault| *fault == Fault::Unavailable) {
            self.wake_task();
        }
        outcome
    }

    async fn ask_now<T: FromRedisValue>(&self, commands: impl FnOnce(&str) -> Pipeline) -> Result<T, Fault> {
        let mut state = self.state.subscribe();
        let known = state.wait_for(|state| !matches!(state, State::Connecting)).await;
        let State::Connected(mut connection, server) = known.map_err(|_| Fault::Unavailable)?.clone() else {
            return Err(Fault::Unavailable);
        };
        commands(&server).query_async(&mut connection).await.map_err(|error| {
            tracing::debug!(code = error.code(), "the response of Redis is not usable");
            Fault::of(&error)
        })
    }

    /// Attempts to connect once, for at most a second. Returns true if the server responds.
    pub(crate) async fn connect(&self) -> bool {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(None)
            .set_concurrency_limit(IN_FLIGHT_MAX);
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        let state = match timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(Ok(connection)) => self.probe(connection).await,
            _ => None,
        };
        let is_connected = state.is_some();
        self.state.send_replace(state.unwrap_or(State::Down));
        is_connected
    }

    /// Returns true if the server responds within a second. Otherwise discards the connection.
    pub(crate) async fn is_responsive(&self) -> bool {
        let connection = match &*self.state.borrow() {
            State::Connected(connection, _) => connection.clone(),
            State::Connecting | State::Down => return false,
        };
        let state = self.probe(connection).await;
        let is_responsive = state.is_some();
        self.state.send_replace(state.unwrap_or(State::Connecting));
        is_responsive
    }

    /// Discards the connection, so that the next one leads to the current server at the address.
    pub(crate) fn disconnect(&self) {
        self.state.send_replace(State::Connecting);
    }

    /// Sends PING and reads the name of the server. A response within the timeout closes the breaker; a slower one only
    /// shows that the server is alive.
    async fn probe(&self, connection: MultiplexedConnection) -> Option<State> {
        let (is_alive, server) = (self.is_alive(connection.clone()), name_of_server(connection.clone()));
        let asked = timeout(CONNECT_TIMEOUT, async { tokio::join!(is_alive, server) });
        let (true, Some(server)) = asked.await.ok()? else { return None };
        Some(State::Connected(connection, server))
    }

    async fn is_alive(&self, mut connection: MultiplexedConnection) -> bool {
        let begun = Instant::now();
        let pong = redis::cmd("PING").query_async::<String>(&mut connection).await;
        let is_alive = pong.map_or_else(|error| error.code() == Some(CANNOT_STORE), |_| true);
        if is_alive && begun.elapsed() <= self.timeout {
            self.recovered();
        }
        is_alive
    }

    fn recovered(&self) {
        if self.breaker.snapshot().state == BreakerState::Closed {
            return;
        }
        self.breaker.report_reachable();
        if let Ok(permit) = self.breaker.try_acquire() {
            permit.record(None);
        }
    }

    /// Makes the background task check Redis now instead of at its next interval.
    pub(crate) fn wake_task(&self) {
        self.wake_up.notify_one();
    }

    /// Waits until the background task should check Redis.
    pub(crate) async fn woken(&self) {
        self.wake_up.notified().await;
    }
}

/// Returns the name of the server, or `None` if it does not respond.
async fn name_of_server(mut connection: MultiplexedConnection) -> Option<Arc<str>> {
    match redis::cmd("INFO").arg("replication").query_async::<String>(&mut connection).await {
        Ok(info) => Some(replication_id(&info).unwrap_or(UNNAMED).into()),
        // The user may not have permission for INFO.
        Err(error) => error.code().map(|_| UNNAMED.into()),
    }
}

/// Returns the start of the replication id in the response to `INFO replication`.
fn replication_id(info: &str) -> Option<&str> {
    let id = info.lines().find_map(|line| line.strip_prefix("master_replid:"))?.trim();
    id.get(..SERVER_CHARS)
}
