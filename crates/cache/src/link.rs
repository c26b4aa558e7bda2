//! One connection to Redis, shared by all, behind a breaker. Nobody waits for it longer than the patience, and a
//! connection is replaced in the background only, by the keeper.

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, FromRedisValue, Pipeline, RedisError};
use std::time::Duration;
use steadfast_resilience::{Breaker, BreakerConfig, BreakerState, Class};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};

/// How long a new connection may take, in the background.
const CONNECT_MAX: Duration = Duration::from_secs(1);
/// Answers awaited on the connection at once; more wait, within their patience.
const IN_FLIGHT_MAX: usize = 1024;
/// What a server says that is there and cannot serve: it loads its data, has no master, or wants a password. Any other
/// refusal is about the one command.
const CANNOT_SERVE: [&str; 6] = ["LOADING", "MASTERDOWN", "CLUSTERDOWN", "BUSY", "NOAUTH", "TRYAGAIN"];

/// Why Redis was of no help. For the caller of the cache every one is a miss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is not asked at present.
    Resting,
    /// It cannot be reached, is silent, or says that it cannot serve.
    Unavailable,
    /// It refused this one command: another type under the key, no right to it.
    Refused,
}

impl Fault {
    /// As a metric label.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Resting => "resting",
            Self::Unavailable => "unavailable",
            Self::Refused => "refused",
        }
    }

    const fn class(self) -> Class {
        match self {
            Self::Refused => Class::Fault,
            Self::Resting | Self::Unavailable => Class::Unavailable,
        }
    }

    fn of(error: &RedisError) -> Self {
        // An answer of another type than was asked for comes from something that is no Redis.
        let Some(errors) = error.clone().into_server_errors() else { return Self::Unavailable };
        let cannot_serve = errors.iter().any(|(_, error)| CANNOT_SERVE.contains(&error.code()));
        if cannot_serve { Self::Unavailable } else { Self::Refused }
    }
}

#[derive(Clone)]
enum State {
    /// None yet: it is worth the patience to wait for it.
    Connecting,
    Connected(MultiplexedConnection),
    /// The last attempt failed: it is not.
    Down,
}

/// The connection, whatever state it is in.
pub(crate) struct Link {
    client: Client,
    state: watch::Sender<State>,
    breaker: Breaker,
    doubt: Notify,
    patience: Duration,
}

impl Link {
    pub(crate) fn new(client: Client, breaker: BreakerConfig, patience: Duration) -> Self {
        let (state, breaker) = (watch::Sender::new(State::Connecting), Breaker::new("redis", breaker));
        Self { client, state, breaker, doubt: Notify::new(), patience }
    }

    pub(crate) fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    pub(crate) fn is_connected(&self) -> bool {
        matches!(*self.state.borrow(), State::Connected(_))
    }

    /// How long somebody may wait for Redis.
    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    /// The answer to `commands`, which go out together, within `at_most`.
    pub(crate) async fn ask<T: FromRedisValue>(
        &self,
        commands: &Pipeline,
        at_most: Duration,
    ) -> Result<T, Fault> {
        let permit = self.breaker.try_acquire().map_err(|_| Fault::Resting)?;
        let asked = timeout(at_most, self.ask_now(commands)).await;
        let outcome = asked.unwrap_or(Err(Fault::Unavailable));
        permit.record(outcome.as_ref().err().map(|fault| fault.class()));
        if outcome.as_ref().is_err_and(|fault| *fault == Fault::Unavailable) {
            self.doubt.notify_one();
        }
        outcome
    }

    async fn ask_now<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, Fault> {
        let mut state = self.state.subscribe();
        let known = state.wait_for(|state| !matches!(state, State::Connecting)).await;
        let State::Connected(mut connection) = known.map_err(|_| Fault::Unavailable)?.clone() else {
            return Err(Fault::Unavailable);
        };
        commands.query_async(&mut connection).await.map_err(|error| Fault::of(&error))
    }

    /// Tries once to connect, at most a second. Says whether there is a connection that answers.
    pub(crate) async fn connect(&self) -> bool {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_MAX))
            .set_response_timeout(None)
            .set_concurrency_limit(IN_FLIGHT_MAX);
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        let state = match timeout(CONNECT_MAX, connecting).await {
            Ok(Ok(connection)) if self.ping(connection.clone()).await => State::Connected(connection),
            _ => State::Down,
        };
        let is_connected = matches!(state, State::Connected(_));
        self.state.send_replace(state);
        is_connected
    }

    /// Whether the connection still answers within a second. One that does not is given up, with all that wait for it.
    pub(crate) async fn still_answers(&self) -> bool {
        let connection = match &*self.state.borrow() {
            State::Connected(connection) => connection.clone(),
            State::Connecting | State::Down => return false,
        };
        let answers = self.ping(connection).await;
        if !answers {
            self.state.send_replace(State::Connecting);
        }
        answers
    }

    /// An answer within the patience closes the breaker; a slower one shows only that there is somebody.
    async fn ping(&self, mut connection: MultiplexedConnection) -> bool {
        let begun = Instant::now();
        let ping = redis::cmd("PING");
        let answer = timeout(CONNECT_MAX, ping.query_async::<String>(&mut connection)).await;
        let answers = matches!(answer, Ok(Ok(_)));
        if answers && begun.elapsed() <= self.patience {
            self.recovered();
        }
        answers
    }

    fn recovered(&self) {
        if self.breaker.snapshot().state == BreakerState::Closed {
            return;
        }
        self.breaker.reached();
        if let Ok(permit) = self.breaker.try_acquire() {
            permit.record(None);
        }
    }

    /// Ends when a request found Redis unavailable.
    pub(crate) async fn doubted(&self) {
        self.doubt.notified().await;
    }
}
