//! Opens sessions: tries the hosts of a target in turn until one gives a session of the demanded kind.

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

/// Duration below which an attempt that its caller gave up says nothing about the host.
const HURRY: Duration = Duration::from_millis(250);

/// An open session, with the guard between it and the server.
pub(crate) struct Session {
    pub(crate) inner: AsyncPgConnection,
    pub(crate) wire: Arc<Wire>,
    /// The address that the session was opened to.
    pub(crate) peer: Peer,
    /// Moves the bytes. It ends by itself when the connection is dropped and the last answer has come.
    pub(crate) driver: Option<JoinHandle<()>>,
}

/// Reason why a host gave no session.
enum Failure {
    /// It never answered.
    Silence(ConnectError),
    /// It gave none, or another kind than demanded.
    Host(ConnectError),
    /// It refused the login, as every other host would.
    Login(ConnectError),
}

/// Opens a session on the first host that gives one of the demanded kind.
///
/// Each host has the target's limit. The last one has none if nothing but silence came before, so that the caller, who
/// knows since when the server is silent, can say so. Callers have to apply [`Target::connect_limit`].
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

/// Applies the limit of `target` to an attempt to open a session.
///
/// # Errors
/// Returns the error of `opening`, or [`ConnectError::Unreachable`] if no host has answered within the limit.
pub(crate) async fn within_limit<T>(
    target: &Target,
    opening: impl Future<Output = Result<T, ConnectError>>,
) -> Result<T, ConnectError> {
    let limit = target.connect_limit();
    timeout(limit, opening).await.unwrap_or_else(|_| Err(target.unreachable(no_answer(limit))))
}

/// An attempt at a host. Unless it succeeds, the host is tried after the others for a while.
struct Trial<'a> {
    host: Option<&'a Host>,
    began: Instant,
}

impl Trial<'_> {
    /// Notes the outcome.
    fn over(mut self, outcome: Result<Session, Failure>) -> Result<Session, Failure> {
        match (self.host.take(), &outcome) {
            (Some(host), Ok(_)) => host.note_success(),
            (Some(host), Err(Failure::Silence(_) | Failure::Host(_))) => host.note_failure(),
            (_, Err(Failure::Login(_))) | (None, _) => {}
        }
        outcome
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        if let Some(host) = self.host.filter(|_| self.began.elapsed() >= HURRY) {
            host.note_failure();
        }
    }
}

/// Driver of a session that is not handed out yet. Dropping this value ends it.
struct Driver(Option<JoinHandle<()>>);

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(driver) = &self.0 {
            driver.abort();
        }
    }
}

/// Opens a session on `host`, within `limit`.
async fn open_at(
    target: &Target,
    host: &Host,
    requirement: Option<Requirement>,
    limit: Option<Duration>,
) -> Result<Session, Failure> {
    let trial = Trial { host: Some(host), began: Instant::now() };
    let mut race = Race::new(target, host);
    let opening = log_in_first(target, host, requirement, &mut race);
    let outcome = match limit {
        Some(limit) => timeout(limit, opening).await,
        None => Ok(opening.await),
    };
    let unreachable = |cause| ConnectError::Unreachable { address: host.address.clone(), cause };
    match outcome {
        Ok(outcome) => trial.over(outcome),
        Err(_) => {
            let silence = no_answer(target.connect_timeout);
            let failure = if race.is_silent() { Failure::Silence } else { Failure::Host };
            trial.over(Err(failure(unreachable(race.causes(&silence)))))
        }
    }
}

/// Returns the text for a server that has not answered for `silent`.
fn no_answer(silent: Duration) -> String {
    format!("no answer from the server for {:.1} s", silent.as_secs_f64())
}

/// Logs in at the addresses of a host until one gives a session of the demanded kind.
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
            // Without its client the driver says farewell and ends by itself.
            driver.0.take();
            let attrs = target.session_attrs();
            let cause =
                format!("{}, but target_session_attrs={attrs} asks for another one", requirement.otherwise);
            return Err(Failure::Host(ConnectError::Unreachable { address: host.address.clone(), cause }));
        }
    }
    let inner = set_up(client, target.pooled_by_transaction).await;
    let inner = inner.map_err(|error| failure(host, &wire, &*error))?;
    wire.set_up();
    Ok(Session { inner, wire, peer, driver: driver.0.take() })
}

/// Asks the server whether the session is of the demanded kind.
async fn meets(client: &Client, requirement: Requirement) -> Result<bool, tokio_postgres::Error> {
    let answer = client.simple_query(requirement.statement).await?;
    let mut rows = answer.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    Ok(rows.next() == Some(requirement.expected))
}

/// Makes diesel-async's connection of an open session. Its first statements are prepared ones: where another server may
/// answer each of them, a transaction holds them together.
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

/// Returns the reason why there is no session: the server's own refusal if it sent one.
fn failure(host: &Host, wire: &Wire, error: &dyn StdError) -> Failure {
    let address = host.address.clone();
    if let Some(seen) = wire.last_error() {
        let class = seen.sqlstate.class();
        let refused = ConnectError::Refused { address, sqlstate: seen.sqlstate, message: seen.message };
        return match class {
            // It starts up, shuts down or is full, which another host may not be.
            Class::Unavailable | Class::Overload => Failure::Host(refused),
            _ => Failure::Login(refused),
        };
    }
    // tokio-postgres' own text is its kind only; what happened stands behind it.
    let cause = match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    };
    Failure::Host(ConnectError::Unreachable { address, cause })
}

/// Makes one error of those of all hosts that were tried. A server's refusal comes last and keeps its code.
fn all_of(mut failures: Vec<ConnectError>, target: &Target) -> ConnectError {
    // A second round fails as the first one did.
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
