//! Opens sessions: tries the hosts of a target in turn until one gives a session of the required kind.

use crate::error::ConnectError;
use crate::stream::{AlreadySecured, Dialled};
use crate::target::{Host, Peer, Race, Requirement, Target};
use crate::wire::{Guard, Wire};
use diesel::connection::CacheSize;
use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use std::collections::HashSet;
use std::error::Error as StdError;
use std::sync::Arc;
use std::time::{Duration, Instant};
use steadfast_resilience::Class;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::{Client, SimpleQueryMessage};

/// Duration below which a cancelled attempt proves nothing about the host.
const MIN_CONCLUSIVE_TIME: Duration = Duration::from_millis(250);

/// An open session and its guard.
pub(crate) struct Session {
    pub(crate) inner: AsyncPgConnection,
    pub(crate) wire: Arc<Wire>,
    /// Address of the server.
    pub(crate) peer: Peer,
    /// Task that moves the bytes. It ends when the connection is dropped and the last answer was received.
    pub(crate) driver: Option<JoinHandle<()>>,
}

/// Reason why a host gave no session.
enum Failure {
    /// The host did not respond.
    Silence(ConnectError),
    /// The host refused the session, or the session is not of the required kind.
    Host(ConnectError),
    /// The host refused the login, as every other host would.
    Login(ConnectError),
}

/// Opens a session on the first host that gives one of the required kind.
///
/// Each attempt at a host has the target's limit. The last one has none if all earlier hosts were silent, so that the
/// caller, which tracks the silence, can report it. Callers must apply [`Target::connect_limit`].
///
/// # Errors
/// Returns [`ConnectError`] with the cause of each host.
pub(crate) async fn open(target: &Target) -> Result<Session, ConnectError> {
    let attempts = target.attempts();
    let (mut failures, mut is_silent) = (Vec::new(), true);
    for (number, (host, requirement)) in attempts.iter().enumerate() {
        let is_last = number + 1 == attempts.len();
        let limit = (!is_last || !is_silent).then_some(target.connect_timeout);
        match open_at(target, host, *requirement, limit).await {
            Ok(session) => return Ok(session),
            Err(Failure::Silence(error)) => failures.push(error),
            Err(Failure::Host(error)) => {
                is_silent = false;
                failures.push(error);
            }
            Err(Failure::Login(error)) => {
                failures.push(error);
                break;
            }
        }
    }
    Err(all_of(failures, target))
}

/// Runs `opening` with the connect limit of `target`.
///
/// # Errors
/// Returns the error of `opening`, or [`ConnectError::Unreachable`] if the limit passes.
pub(crate) async fn within_limit<T>(
    target: &Target,
    opening: impl Future<Output = Result<T, ConnectError>>,
) -> Result<T, ConnectError> {
    let limit = target.connect_limit();
    timeout(limit, opening).await.unwrap_or_else(|_| Err(target.unreachable(no_answer(limit))))
}

/// An attempt at a host. Unless it succeeds, the host is tried after the others for some time.
struct HostAttempt<'a> {
    host: Option<&'a Host>,
    began: Instant,
}

impl HostAttempt<'_> {
    /// Records the outcome.
    fn over(mut self, outcome: Result<Session, Failure>) -> Result<Session, Failure> {
        match (self.host.take(), &outcome) {
            (Some(host), Ok(_)) => host.note_success(),
            (Some(host), Err(Failure::Silence(_) | Failure::Host(_))) => host.note_failure(),
            (_, Err(Failure::Login(_))) | (None, _) => {}
        }
        outcome
    }
}

impl Drop for HostAttempt<'_> {
    fn drop(&mut self) {
        if let Some(host) = self.host.filter(|_| self.began.elapsed() >= MIN_CONCLUSIVE_TIME) {
            host.note_failure();
        }
    }
}

/// Driver of a session that is not in use yet. Aborted on drop.
struct Driver(Option<JoinHandle<()>>);

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(driver) = &self.0 {
            driver.abort();
        }
    }
}

/// Opens a session on `host` within `limit`.
async fn open_at(
    target: &Target,
    host: &Host,
    requirement: Option<Requirement>,
    limit: Option<Duration>,
) -> Result<Session, Failure> {
    let host_attempt = HostAttempt { host: Some(host), began: Instant::now() };
    let mut race = Race::new(target, host);
    let opening = log_in_first(target, host, requirement, &mut race);
    let outcome = match limit {
        Some(limit) => timeout(limit, opening).await,
        None => Ok(opening.await),
    };
    let unreachable = |cause| ConnectError::Unreachable { address: host.address.clone(), cause };
    match outcome {
        Ok(outcome) => host_attempt.over(outcome),
        Err(_) => {
            let silence = no_answer(target.connect_timeout);
            let failure = if race.is_silent() { Failure::Silence } else { Failure::Host };
            host_attempt.over(Err(failure(unreachable(race.causes(&silence)))))
        }
    }
}

/// Returns the error text for a server that has not responded for `silent`.
fn no_answer(silent: Duration) -> String {
    format!("no answer from the server for {:.1} s", silent.as_secs_f64())
}

/// Logs in at the addresses of a host until one gives a session of the required kind.
async fn log_in_first(
    target: &Target,
    host: &Host,
    requirement: Option<Requirement>,
    race: &mut Race<'_>,
) -> Result<Session, Failure> {
    let unreachable = |cause| ConnectError::Unreachable { address: host.address.clone(), cause };
    let mut refused = None;
    loop {
        match race.next().await {
            Ok(Some((peer, stream))) => match log_in(target, host, requirement, peer.clone(), stream).await {
                Err(Failure::Host(ConnectError::Unreachable { cause, .. })) => {
                    race.note_failure(&peer, cause)
                }
                Err(Failure::Host(error)) => refused = Some(error),
                outcome => return outcome,
            },
            Ok(None) => {
                let error = refused.unwrap_or_else(|| unreachable(race.causes("")));
                return Err(Failure::Host(error));
            }
            Err(error) => return Err(Failure::Host(unreachable(error.to_string()))),
        }
    }
}

/// Logs in over `stream`.
async fn log_in(
    target: &Target,
    host: &Host,
    requirement: Option<Requirement>,
    peer: Peer,
    stream: Dialled,
) -> Result<Session, Failure> {
    let wire = Arc::new(Wire::new(target.server.clone(), target.statement_log, target.recorder.as_ref()));
    target.server.register(&wire);
    let guard: Guard<Dialled> = Guard::new(stream, wire.clone());
    let opened = host.config.connect_raw(guard, AlreadySecured).await;
    let (client, connection) = opened.map_err(|error| failure(host, &wire, &error))?;
    let mut driver = Driver(Some(tokio::spawn(async move { _ = connection.await })));
    if let Some(requirement) = requirement {
        let is_met = meets(&client, requirement).await.map_err(|error| failure(host, &wire, &error))?;
        if !is_met {
            // The driver terminates the session and ends once the client is dropped.
            driver.0.take();
            let attrs = target.session_attrs();
            let cause =
                format!("{}, but target_session_attrs={attrs} requires another kind", requirement.otherwise);
            return Err(Failure::Host(ConnectError::Unreachable { address: host.address.clone(), cause }));
        }
    }
    let inner = set_up(client, target.pooled_by_transaction).await;
    let inner = inner.map_err(|error| failure(host, &wire, &*error))?;
    wire.set_up();
    Ok(Session { inner, wire, peer, driver: driver.0.take() })
}

/// Returns true if the session is of the required kind.
async fn meets(client: &Client, requirement: Requirement) -> Result<bool, tokio_postgres::Error> {
    let answer = client.simple_query(requirement.statement).await?;
    let mut rows = answer.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    Ok(rows.next() == Some(requirement.expected))
}

/// Creates diesel-async's connection. Its first statements are prepared ones, so behind a transaction pooler they must
/// run in one transaction.
async fn set_up(
    client: Client,
    pooled_by_transaction: bool,
) -> Result<AsyncPgConnection, Box<dyn StdError + Send + Sync>> {
    if !pooled_by_transaction {
        return Ok(AsyncPgConnection::try_from(client).await?);
    }
    client.batch_execute("BEGIN").await?;
    let mut inner = AsyncPgConnection::try_from(client).await?;
    inner.batch_execute("COMMIT").await?;
    inner.set_prepared_statement_cache_size(CacheSize::Disabled);
    Ok(inner)
}

/// Returns the failure for `error`, using the server's refusal if it sent one.
fn failure(host: &Host, wire: &Wire, error: &dyn StdError) -> Failure {
    let address = host.address.clone();
    if let Some(seen) = wire.last_error() {
        let class = seen.sqlstate.class();
        let refused = ConnectError::Refused { address, sqlstate: seen.sqlstate, message: seen.message };
        return match class {
            // The server is starting, stopping or full. Another host may not be.
            Class::Unavailable | Class::Overload => Failure::Host(refused),
            _ => Failure::Login(refused),
        };
    }
    // tokio-postgres' own text names only the kind of the error; the source has the cause.
    let cause = match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    };
    Failure::Host(ConnectError::Unreachable { address, cause })
}

/// Combines the errors of all hosts. A server's refusal comes last and keeps its SQLSTATE.
fn all_of(mut failures: Vec<ConnectError>, target: &Target) -> ConnectError {
    // A second round fails like the first one.
    let mut texts = HashSet::new();
    failures.retain(|failure| texts.insert(failure.to_string()));
    let is_refusal = |failure: &ConnectError| matches!(failure, ConnectError::Refused { .. });
    let last = failures.iter().rposition(is_refusal).unwrap_or(failures.len().saturating_sub(1));
    if last >= failures.len() {
        return target.unreachable("no host was tried".to_owned());
    }
    let mut error = failures.remove(last);
    if failures.is_empty() {
        return error;
    }
    let others: Vec<String> = failures.iter().map(ToString::to_string).collect();
    let (ConnectError::Unreachable { address, .. } | ConnectError::Refused { address, .. }) = &mut error;
    *address = format!("{}; {address}", others.join("; "));
    error
}
