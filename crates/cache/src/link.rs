//! One connection to Redis, shared by all, behind a breaker. Nobody waits for it longer than the patience, and a
//! connection is replaced in the background only, by the keeper.

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, FromRedisValue, Pipeline, RedisError};
use std::sync::Arc;
use std::time::Duration;
use steadfast_resilience::{Breaker, BreakerConfig, BreakerState, Class};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};

/// How long a new connection may take, in the background.
const CONNECT_MAX: Duration = Duration::from_secs(1);
/// Answers awaited on the connection at once; more wait, within their patience.
const IN_FLIGHT_MAX: usize = 1024;
/// Error codes of a server that is there and cannot serve: it loads its data, has no master, or wants a password. Any other
/// error is about the one command.
const CANNOT_SERVE: [&str; 6] = ["LOADING", "MASTERDOWN", "CLUSTERDOWN", "BUSY", "NOAUTH", "TRYAGAIN"];

/// Error code of a server that cannot store its data. It gives it for writes, and for PING although it serves reads.
const CANNOT_STORE: &str = "MISCONF";
/// Error code of a replica that refuses a write. The master is elsewhere, perhaps under the same address by now.
const READ_ONLY: &str = "READONLY";
/// Number of characters of a replication id that name a server.
const SERVER_CHARS: usize = 16;
/// Name of a server that does not tell its replication id.
const UNNAMED: &str = "unnamed";

/// Why Redis was of no help. For the caller of the cache, each of them is a miss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is not asked at present.
    Resting,
    /// It cannot be reached, is silent, or says that it cannot serve.
    Unavailable,
    /// It is a replica and refused a write.
    ReadOnly,
    /// It refused this one command: another type under the key, no permission, no memory or no disk for a write.
    Refused,
}

impl Fault {
    /// As a metric label.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Resting => "resting",
            Self::Unavailable => "unavailable",
            Self::ReadOnly => "read_only",
            Self::Refused => "refused",
        }
    }

    const fn class(self) -> Class {
        match self {
            Self::ReadOnly | Self::Refused => Class::Fault,
            Self::Resting | Self::Unavailable => Class::Unavailable,
        }
    }

    fn of(error: &RedisError) -> Self {
        // An answer of another type than was asked for comes from something that is no Redis.
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
    /// None yet: it is worth the patience to wait for it.
    Connecting,
    /// A connection, and the name of the server at its other end.
    Connected(MultiplexedConnection, Arc<str>),
    /// The last attempt failed: it is not.
    Down,
}

/// The connection, whatever state it is in.
pub(crate) struct Link {
    client: Client,
    state: watch::Sender<State>,
    breaker: Breaker,
    wake_up: Notify,
    patience: Duration,
}

impl Link {
    pub(crate) fn new(client: Client, breaker: BreakerConfig, patience: Duration) -> Self {
        let (state, breaker) = (watch::Sender::new(State::Connecting), Breaker::new("redis", breaker));
        Self { client, state, breaker, wake_up: Notify::new(), patience }
    }

    pub(crate) fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.server().is_some()
    }

    /// Returns the name of the server: another one after each restart and each promotion from a replica.
    pub(crate) fn server(&self) -> Option<Arc<str>> {
        match &*self.state.borrow() {
            State::Connected(_, server) => Some(Arc::clone(server)),
            State::Connecting | State::Down => None,
        }
    }

    /// Returns true unless the server does not tell its name.
    pub(crate) fn knows_server(&self) -> bool {
        self.server().is_none_or(|server| &*server != UNNAMED)
    }

    /// Returns the longest time that a caller waits for Redis.
    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    /// Returns the answer to `commands`, which are made for the name of the server and go out together, within `at_most`.
    pub(crate) async fn ask<T: FromRedisValue>(
        &self,
        at_most: Duration,
        commands: impl FnOnce(&str) -> Pipeline,
    ) -> Result<T, Fault> {
        let permit = self.breaker.try_acquire().map_err(|_| Fault::Resting)?;
        let asked = timeout(at_most, self.ask_now(commands)).await;
        let outcome = asked.unwrap_or(Err(Fault::Unavailable));
        permit.record(outcome.as_ref().err().map(|fault| fault.class()));
        if outcome.as_ref().is_err_and(|fault| *fault == Fault::Unavailable) {
            self.wake_keeper();
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
            tracing::debug!(code = error.code(), "Redis gave no answer that can be used");
            Fault::of(&error)
        })
    }

    /// Tries once to connect, for a second at most. Returns true if there is a connection that answers.
    pub(crate) async fn connect(&self) -> bool {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_MAX))
            .set_response_timeout(None)
            .set_concurrency_limit(IN_FLIGHT_MAX);
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        let state = match timeout(CONNECT_MAX, connecting).await {
            Ok(Ok(connection)) => self.look(connection).await,
            _ => None,
        };
        let is_connected = state.is_some();
        self.state.send_replace(state.unwrap_or(State::Down));
        is_connected
    }

    /// Returns true if the connection still answers within a second. One that does not is given up, with all that wait
    /// for it.
    pub(crate) async fn still_answers(&self) -> bool {
        let connection = match &*self.state.borrow() {
            State::Connected(connection, _) => connection.clone(),
            State::Connecting | State::Down => return false,
        };
        let state = self.look(connection).await;
        let answers = state.is_some();
        self.state.send_replace(state.unwrap_or(State::Connecting));
        answers
    }

    /// Gives the connection up, for a new one to whatever stands under the address by now.
    pub(crate) fn give_up(&self) {
        self.state.send_replace(State::Connecting);
    }

    /// Asks for a sign of life and for the name of the server. An answer within the patience closes the breaker; a slower
    /// one shows only that there is a server.
    async fn look(&self, connection: MultiplexedConnection) -> Option<State> {
        let (is_alive, server) = (self.is_alive(connection.clone()), name_of_server(connection.clone()));
        let asked = timeout(CONNECT_MAX, async { tokio::join!(is_alive, server) });
        let (true, Some(server)) = asked.await.ok()? else { return None };
        Some(State::Connected(connection, server))
    }

    async fn is_alive(&self, mut connection: MultiplexedConnection) -> bool {
        let begun = Instant::now();
        let pong = redis::cmd("PING").query_async::<String>(&mut connection).await;
        let is_alive = pong.map_or_else(|error| error.code() == Some(CANNOT_STORE), |_| true);
        if is_alive && begun.elapsed() <= self.patience {
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

    /// Has the keeper look at Redis now instead of with its next tick.
    pub(crate) fn wake_keeper(&self) {
        self.wake_up.notify_one();
    }

    /// Ends when the keeper should look at Redis.
    pub(crate) async fn woken(&self) {
        self.wake_up.notified().await;
    }
}

/// Returns the name of the server, or `None` if it does not answer.
async fn name_of_server(mut connection: MultiplexedConnection) -> Option<Arc<str>> {
    match redis::cmd("INFO").arg("replication").query_async::<String>(&mut connection).await {
        Ok(info) => Some(replication_id(&info).unwrap_or(UNNAMED).into()),
        // The user may have no permission to ask.
        Err(error) => error.code().map(|_| UNNAMED.into()),
    }
}

/// Returns the start of the replication id in the answer to `INFO replication`.
fn replication_id(info: &str) -> Option<&str> {
    let id = info.lines().find_map(|line| line.strip_prefix("master_replid:"))?.trim();
    id.get(..SERVER_CHARS)
}
