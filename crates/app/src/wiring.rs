//! From settings to a running service, and to its orderly end.

use crate::migrations::pending;
use crate::settings::{DatabaseSettings, REDIS_URL, unknown_variables};
use crate::{Settings, SettingsError};
use secrecy::{ExposeSecret, SecretString};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;
use steadfast_cache::Cache;
use steadfast_domain::identity::KeyHash;
use steadfast_http::{Drained, Draining, ServeSettings, router, serve};
use steadfast_pidkey::Client;
use steadfast_postgres::{Db, SessionSettings};
use steadfast_repository::{Closed, Error as RepositoryError, Store, identity};
use steadfast_services::audit;
use steadfast_services::keys::Checker;
use steadfast_services::terminology::{Catalogue, search_log};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long the comparison of the database's version with the server's may take; it is only for the log.
const COMPARISON_MAX: Duration = Duration::from_secs(10);

/// How long the end waits for units of work that requests have left behind.
const CLOSE_MAX: Duration = Duration::from_secs(5);

/// Why the service did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Settings cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The address cannot be listened on.
    #[error(
        "cannot listen on {address}: {cause}; stop what listens there, or choose another HTTP_PORT or HTTP_HOST"
    )]
    Listen {
        /// Host and port.
        address: String,
        /// What the operating system says.
        cause: io::Error,
    },
    /// The signals that end the service cannot be waited for.
    #[error("cannot wait for signals: {0}")]
    Signals(io::Error),
}

/// The service, ready to accept but not accepting yet.
struct Service {
    listener: TcpListener,
    url: SecretString,
    session: SessionSettings,
    db: Db,
    instances: u32,
    reserved: u32,
    cache: Option<Cache>,
    checker: Checker,
    settings: ServeSettings,
}

impl Service {
    async fn prepare(settings: Settings) -> Result<Self, StartError> {
        let Settings { database, http, cache, pidkey, log: _ } = settings;
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
        Ok(Self { listener, url, session, db, instances, reserved, cache, checker, settings })
    }

    fn address(&self) -> Result<SocketAddr, StartError> {
        let address = String::from("the chosen address");
        self.listener.local_addr().map_err(|cause| StartError::Listen { address, cause })
    }

    async fn run(self, shutdown: impl Future<Output = ()>) -> Drained {
        let Self { listener, url, session, db, instances, reserved, cache, checker, settings } = self;
        let store = Store::new(db.clone());
        let contacted = store.clone();
        let first_contact = tokio::spawn(async move {
            if first_contact(&db, &contacted, instances, reserved).await {
                compare_versions(&url, &session).await;
            }
        });
        let upkeep = tokio::spawn(audit::upkeep(store.clone()));
        let (searches, search_log) = search_log(store.clone());
        let (stop_log, log_stopped) = oneshot::channel::<()>();
        let log = tokio::spawn(search_log.run(async {
            // An error means that this service is gone.
            let _ = log_stopped.await;
        }));
        let draining = Draining::default();
        let catalogue = Catalogue::new(store.clone(), cache);
        let router = router(store.clone(), checker, catalogue, searches, draining.clone());
        let drained = serve(listener, router, settings, draining, shutdown).await;
        // Its end is bounded; what is left of the log needs the store.
        drop(stop_log);
        let _ = log.await;
        first_contact.abort();
        upkeep.abort();
        report(&store.close(CLOSE_MAX).await);
        match drained {
            Drained::Completely => tracing::info!("drained: every request was answered"),
            Drained::CutOff(connections) => {
                tracing::warn!(connections, "connections were cut off when the time to drain was over");
            }
        }
        drained
    }
}

/// Logs what the end of the pool has left.
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

/// Asks the database for something that is not there, so that readiness knows from the start whether it can be reached,
/// and whoever starts the service reads in the log what is missing. Says whether the database answered at all.
async fn first_contact(db: &Db, store: &Store, instances: u32, reserved: u32) -> bool {
    match identity::find_caller(store, &KeyHash::OF_NO_KEY).await {
        Ok(_) => {
            tracing::info!("the database answers");
            // Warns by itself when there are too few connections; a failure here shows at the next request too.
            _ = db.check_capacity(instances, reserved).await;
            true
        }
        Err(error @ RepositoryError::Query { .. }) => {
            tracing::error!(%error, "the database has not the expected tables; run `steadfast-ctl migrate`");
            true
        }
        Err(error) => {
            tracing::error!(%error, "the database does not answer; check DATABASE_URL; it is tried again as requests come");
            false
        }
    }
}

/// Says in the log which migrations the database lacks: tables may be there and still be those of an older version. On a
/// connection of its own, for the pool's know no tables of the migrations'.
async fn compare_versions(url: &SecretString, session: &SessionSettings) {
    match timeout(COMPARISON_MAX, pending(url.expose_secret(), session)).await {
        Ok(Ok(pending)) if pending.is_empty() => {}
        Ok(Ok(pending)) => tracing::error!(
            pending = pending.join(", "),
            "the database is older than this server; run `steadfast-ctl migrate`"
        ),
        Ok(Err(error)) => {
            tracing::warn!(%error, "cannot tell whether the database is older than this server")
        }
        Err(_) => tracing::warn!("cannot tell in time whether the database is older than this server"),
    }
}

/// How a service that ran has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Ended {
    /// After the first signal, and a drain.
    Drained(Drained),
    /// At the second signal, with requests that were not answered.
    AtOnce,
}

/// Runs the service. The first SIGTERM or SIGINT drains it, the second one ends it at once. Variables of the process that
/// look like settings and are none are warned about in the log.
///
/// # Errors
/// Returns [`StartError`] if the service does not start. Once it runs it does not fail.
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
            tracing::error!("second {signal}: ended at once, open requests were not answered");
            Ok(Ended::AtOnce)
        }
    }
}

/// The signals that end the service.
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

/// A running service. Dropped, it drains by itself in the background.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Drained>,
}

/// Starts the service in the background: for tests and benchmarks.
///
/// # Errors
/// [`StartError`].
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
    /// Where it listens, the port filled in.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Drains the service and waits for its end.
    ///
    /// # Errors
    /// When the service panicked.
    pub async fn stop(self) -> Result<Drained, tokio::task::JoinError> {
        // It is not listening any more when it has ended already.
        let _ = self.stop.send(());
        self.ended.await
    }
}

/// Sends the logs of this process where `settings` says. Keep the guard until the end of `main`.
///
/// # Errors
/// [`StartError::Settings`] when the level cannot be read.
pub fn install_logs(settings: &Settings) -> Result<steadfast_telemetry::Guard, StartError> {
    let guard = steadfast_telemetry::install(settings.log.clone());
    Ok(guard.map_err(|error| SettingsError::of(crate::settings::LEVEL.name, error))?)
}
