//! Start, run and shutdown of the service.

use crate::migrations::pending;
use crate::settings::{AdmissionSettings, DatabaseSettings, REDIS_URL, unknown_variables};
use crate::{Settings, SettingsError};
use secrecy::{ExposeSecret, SecretString};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;
use steadfast_cache::Cache;
use steadfast_domain::identity::{Credential, KeyHash, SessionLimits};
use steadfast_http::{CallerSettings, Drained, Draining, ServeSettings, router, serve};
use steadfast_pidkey::Client;
use steadfast_postgres::{Db, SessionSettings};
use steadfast_repository::{Closed, Error as RepositoryError, Store, identity};
use steadfast_services::audit;
use steadfast_services::identity::{upkeep as upkeep_of_sessions, uses};
use steadfast_services::keys::Checker;
use steadfast_services::terminology::{Catalogue, search_log};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Time limit for comparing the migrations, whose result is only logged.
const COMPARISON_MAX: Duration = Duration::from_secs(10);

/// Maximum wait for running units of work at shutdown.
const CLOSE_MAX: Duration = Duration::from_secs(5);

/// Error that prevents the service from starting.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Settings are invalid.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The server cannot listen on the address.
    #[error(
        "cannot listen on {address}: {cause}; stop the program that uses the address, or change HTTP_PORT or HTTP_HOST"
    )]
    Listen {
        /// Host and port.
        address: String,
        /// Error of the operating system.
        cause: io::Error,
    },
    /// Signal handlers cannot be installed.
    #[error("cannot install signal handlers: {0}")]
    Signals(io::Error),
}

/// Service that listens but does not accept connections yet.
struct Service {
    listener: TcpListener,
    url: SecretString,
    session: SessionSettings,
    db: Db,
    instances: u32,
    reserved: u32,
    cache: Option<Cache>,
    checker: Checker,
    retention_days: u32,
    callers: AdmissionSettings,
    settings: ServeSettings,
}

impl Service {
    async fn prepare(settings: Settings) -> Result<Self, StartError> {
        let Settings { database, http, callers, cache, pidkey, audit_retention_days: retention_days, log: _ } =
            settings;
        let DatabaseSettings { url, db, instances, reserved } = database;
        let session = db.pool.session.clone();
        let db =
            Db::new(url.expose_secret(), db).map_err(|error| SettingsError::of("DATABASE_URL", error))?;
        if pidkey.api_key.expose_secret().is_empty() {
            tracing::warn!("PIDKEY_API_KEY is not set: checks of product keys will be refused by PIDKey.com");
        }
        let cache = cache.map(Cache::new).transpose();
        let cache = cache.map_err(|error| SettingsError::of(REDIS_URL.name, error))?;
        let client = Client::new(pidkey).map_err(|error| SettingsError::of("PIDKEY_BASE_URL", error))?;
        let listener = TcpListener::bind((http.host.as_str(), http.port))
            .await
            .map_err(|cause| StartError::Listen { address: format!("{}:{}", http.host, http.port), cause })?;
        let (checker, settings) = (Checker::new(client), http.serve);
        Ok(Self {
            listener,
            url,
            session,
            db,
            instances,
            reserved,
            cache,
            checker,
            retention_days,
            callers,
            settings,
        })
    }

    fn address(&self) -> Result<SocketAddr, StartError> {
        let address = String::from("the chosen address");
        self.listener.local_addr().map_err(|cause| StartError::Listen { address, cause })
    }

    async fn run(self, shutdown: impl Future<Output = ()>) -> Drained {
        let Self {
            listener,
            url,
            session,
            db,
            instances,
            reserved,
            cache,
            checker,
            retention_days,
            callers,
            settings,
        } = self;
        let store = Store::new(db.clone());
        let contacted = store.clone();
        let first_contact = tokio::spawn(async move {
            if first_contact(&db, &contacted, instances, reserved).await {
                compare_versions(&url, &session).await;
            }
        });
        let audit = tokio::spawn(audit::run(store.clone(), retention_days));
        let session_upkeep = tokio::spawn(upkeep_of_sessions(store.clone()));
        let (uses, use_writer) = uses(store.clone());
        let use_writer = tokio::spawn(use_writer.run());
        let AdmissionSettings { sessions, rate } = callers;
        let callers = CallerSettings { sessions, rate, uses };
        let (searches, search_log) = search_log(store.clone());
        let (stop_log, log_stopped) = oneshot::channel::<()>();
        let log = tokio::spawn(search_log.run(async {
            // An error means that this service is gone.
            let _ = log_stopped.await;
        }));
        let draining = Draining::default();
        let catalogue = Catalogue::new(store.clone(), cache);
        let router = router(store.clone(), checker, catalogue, searches, draining.clone(), callers);
        let drained = serve(listener, router, settings, draining, shutdown).await;
        // The task ends in bounded time, and needs the store to write the remaining entries.
        drop(stop_log);
        let _ = log.await;
        first_contact.abort();
        audit.abort();
        session_upkeep.abort();
        use_writer.abort();
        report(&store.close(CLOSE_MAX).await);
        match drained {
            Drained::Completely => tracing::info!("drained: every request was answered"),
            Drained::CutOff(connections) => {
                tracing::warn!(
                    connections,
                    "drain timeout: connections were closed before their requests were answered"
                );
            }
        }
        drained
    }
}

/// Logs the result of closing the pool.
fn report(closed: &Closed) {
    for left in &closed.unreturned {
        let (operation, away_s) = (left.borrower, left.away.as_secs_f64());
        tracing::warn!(operation, away_s, "a unit of work was still running when the service ended");
    }
    let (sessions, unfinished) = (closed.closed, closed.unfinished);
    if closed.is_complete() {
        tracing::info!(sessions, "every database session was ended");
    } else {
        tracing::warn!(sessions, unfinished, "database sessions were left open when the service ended");
    }
}

/// Looks up a key that does not exist, so that readiness is correct from the start and the log shows problems of the
/// database. Returns true if the database answered.
async fn first_contact(db: &Db, store: &Store, instances: u32, reserved: u32) -> bool {
    let unknown = Credential::ApiKey(KeyHash::OF_NO_KEY);
    match identity::find_caller(store, &unknown, SessionLimits::default()).await {
        Ok(_) => {
            tracing::info!("the database answers");
            // Logs a warning if there are too few connections. A failure will recur at the next request.
            _ = db.check_capacity(instances, reserved).await;
            true
        }
        Err(error @ RepositoryError::Query { .. }) => {
            tracing::error!(%error, "the database lacks expected tables; run `steadfast-ctl migrate`");
            true
        }
        Err(error) => {
            tracing::error!(%error, "the database does not answer; requests will try again; check DATABASE_URL");
            false
        }
    }
}

/// Logs the pending migrations: tables can exist and still be of an older version. Uses a separate connection, because
/// operations of the pool do not read the table of migrations.
async fn compare_versions(url: &SecretString, session: &SessionSettings) {
    match timeout(COMPARISON_MAX, pending(url.expose_secret(), session)).await {
        Ok(Ok(pending)) if pending.is_empty() => {}
        Ok(Ok(pending)) => tracing::error!(
            pending = pending.join(", "),
            "migrations are pending; run `steadfast-ctl migrate`"
        ),
        Ok(Err(error)) => {
            tracing::warn!(%error, "cannot determine pending migrations")
        }
        Err(_) => tracing::warn!("cannot determine pending migrations: time limit exceeded"),
    }
}

/// Result of a service that ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Ended {
    /// The first signal ended the service, after a drain.
    Drained(Drained),
    /// The second signal ended the service, with unanswered requests.
    AtOnce,
}

/// Runs the service. The first SIGTERM or SIGINT drains it, the second one ends it at once. Logs a warning for each
/// unknown environment variable with the prefix of a setting.
///
/// # Errors
/// Returns [`StartError`] if the service does not start. A running service does not fail.
pub async fn run(settings: Settings) -> Result<Ended, StartError> {
    let mut signals = Signals::catch()?;
    for unknown in unknown_variables() {
        tracing::warn!(variable = unknown.name, nearest = unknown.nearest, "{unknown}");
    }
    let service = Service::prepare(settings).await?;
    tracing::info!("listening on http://{}", service.address()?);
    let first = Notify::new();
    let mut running = pin!(service.run(first.notified()));
    tokio::select! {
        drained = &mut running => return Ok(Ended::Drained(drained)),
        signal = signals.next() => tracing::info!("{signal}: draining"),
    }
    first.notify_one();
    tokio::select! {
        drained = running => Ok(Ended::Drained(drained)),
        signal = signals.next() => {
            tracing::error!("second {signal}: exiting at once, open requests are not answered");
            Ok(Ended::AtOnce)
        }
    }
}

/// Handlers of SIGTERM and SIGINT.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn catch() -> Result<Self, StartError> {
        let catch = |kind| signal(kind).map_err(StartError::Signals);
        Ok(Self { terminate: catch(SignalKind::terminate())?, interrupt: catch(SignalKind::interrupt())? })
    }

    /// Waits for a signal and returns its name.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Running service. If it is dropped, it drains in the background.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Drained>,
}

/// Starts the service in the background, for tests and benchmarks.
///
/// # Errors
/// Returns [`StartError`] if the service does not start.
pub async fn start(settings: Settings) -> Result<Running, StartError> {
    let service = Service::prepare(settings).await?;
    let address = service.address()?;
    let (stop, stopped) = oneshot::channel();
    let ended = tokio::spawn(service.run(async {
        // An error means that the handle was dropped.
        let _ = stopped.await;
    }));
    Ok(Running { address, stop, ended })
}

impl Running {
    /// Returns the address on which the service listens, with the actual port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Drains the service and waits until it has ended.
    ///
    /// # Errors
    /// Returns the panic of the service if it panicked.
    pub async fn stop(self) -> Result<Drained, tokio::task::JoinError> {
        // An error means that the service has ended already.
        let _ = self.stop.send(());
        self.ended.await
    }
}

/// Installs the logging of this process as configured in `settings`. Hold the guard until the end of `main`.
///
/// # Errors
/// Returns [`StartError::Settings`] if the level is invalid.
pub fn install_logs(settings: &Settings) -> Result<steadfast_telemetry::Guard, StartError> {
    let guard = steadfast_telemetry::install(settings.log.clone());
    Ok(guard.map_err(|error| SettingsError::of(crate::settings::LEVEL.name, error))?)
}
