//! Where the database is and how a session begins there: the URL, checked once, with the session's settings added.

use crate::error::{ConnectError, UrlError};
use crate::heard::Server;
use crate::stream::Dialled;
use crate::tls::Tls;
use crate::{Recorder, StatementLog};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, SslNegotiation};

/// Settings that a session begins with. They travel in the startup packet: no statement is spent on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSettings {
    /// Shown in `pg_stat_activity` and in the server's log.
    pub application_name: String,
    /// The longest that a statement may run: the backstop where no deadline is set. Zero is no limit.
    pub statement_timeout: Duration,
    /// The longest wait for a lock. Zero is no limit.
    pub lock_timeout: Duration,
    /// The longest that a transaction may sit idle. Zero is no limit.
    pub idle_in_transaction_timeout: Duration,
    /// How often the server looks whether the client is still there while it works for it. Zero is never.
    pub connection_check_interval: Duration,
    /// What is written of the session's statements.
    pub statement_log: StatementLog,
    /// Whether a PgBouncer in transaction mode stands in between. Then no setting travels with the session (give the role
    /// its `statement_timeout` and `lock_timeout` by ALTER ROLE), no prepared statement is kept, and every unit of work is
    /// a transaction. In session mode PgBouncer needs none of this.
    pub pgbouncer_transaction: bool,
    /// Maximum number of prepared statements that a session keeps between units of work. When a unit of work leaves more,
    /// all of them are closed. Defaults to 256.
    pub statement_cache: usize,
    /// Who writes down what the session sends, values included: for verification and tests. Nobody by default.
    pub recorder: Option<Recorder>,
    /// Which authorities are believed when the server's certificate is verified.
    #[cfg(feature = "tls")]
    pub tls_roots: crate::TlsRoots,
}

impl Default for SessionSettings {
    /// 30 s a statement, 10 s a lock, 60 s idle in a transaction, a look at the client every 5 s.
    fn default() -> Self {
        Self {
            application_name: "steadfast".to_owned(),
            statement_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(10),
            idle_in_transaction_timeout: Duration::from_secs(60),
            connection_check_interval: Duration::from_secs(5),
            statement_log: StatementLog::default(),
            pgbouncer_transaction: false,
            statement_cache: 256,
            recorder: None,
            #[cfg(feature = "tls")]
            tls_roots: crate::TlsRoots::default(),
        }
    }
}

impl SessionSettings {
    fn as_options(&self) -> String {
        [
            ("statement_timeout", self.statement_timeout),
            ("lock_timeout", self.lock_timeout),
            ("idle_in_transaction_session_timeout", self.idle_in_transaction_timeout),
            ("client_connection_check_interval", self.connection_check_interval),
        ]
        .map(|(name, limit)| format!("-c {name}={}", limit.as_millis()))
        .join(" ")
    }
}

/// One server and database, reachable over TCP or a unix socket.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) config: Config,
    /// What is heard of this server, on all sessions.
    pub(crate) server: Arc<Server>,
    pub(crate) statement_log: StatementLog,
    pub(crate) statement_timeout: Duration,
    pub(crate) statement_cache: usize,
    pub(crate) recorder: Option<Recorder>,
    /// Whether consecutive statements outside of a transaction may meet different servers.
    pub(crate) pooled_by_transaction: bool,
    endpoint: Endpoint,
    tls: Option<Tls>,
}

#[derive(Clone, Debug)]
enum Endpoint {
    Tcp(String, u16),
    Unix(PathBuf),
}

impl Target {
    /// Reads `url` and adds `session`.
    pub(crate) fn new(url: &str, session: &SessionSettings) -> Result<Self, UrlError> {
        // The parser's own text repeats parts of the URL, and with them perhaps the password.
        let mut config: Config =
            with_one_name_for_verification(url).parse().map_err(|_| UrlError("cannot be read".to_owned()))?;
        let endpoint = Endpoint::of(&config)?;
        let tls = match &endpoint {
            Endpoint::Tcp(host, _) => Tls::wanted(config.get_ssl_mode(), session, host)?,
            Endpoint::Unix(_) => None,
        };
        // What `dial` gives is secured already: see AlreadySecured.
        if config.get_ssl_negotiation() == SslNegotiation::Direct {
            return Err(UrlError("sslnegotiation=direct is not supported: leave it out".to_owned()));
        }
        config.ssl_mode(SslMode::Require).ssl_negotiation(SslNegotiation::Direct);
        config.application_name(&session.application_name);
        if !session.pgbouncer_transaction {
            let asked = config.get_options().map(|options| format!(" {options}")).unwrap_or_default();
            config.options(format!("{}{asked}", session.as_options()));
        }
        Ok(Self {
            config,
            server: Arc::new(Server::new()),
            statement_log: session.statement_log,
            statement_timeout: session.statement_timeout,
            statement_cache: session.statement_cache,
            recorder: session.recorder.clone(),
            pooled_by_transaction: session.pgbouncer_transaction,
            endpoint,
            tls,
        })
    }

    /// Host and port, or the socket's path.
    pub(crate) fn address(&self) -> String {
        match &self.endpoint {
            Endpoint::Tcp(host, port) => format!("{host}:{port}"),
            Endpoint::Unix(path) => path.display().to_string(),
        }
    }

    /// A fresh stream to the server, with TLS where that is wanted.
    pub(crate) async fn dial(&self) -> Result<Dialled, ConnectError> {
        let dialled = match &self.endpoint {
            Endpoint::Tcp(host, port) => self.dial_tcp(host, *port).await,
            Endpoint::Unix(path) => dial_unix(path).await,
        };
        dialled.map_err(|error| self.unreachable(error.to_string()))
    }

    async fn dial_tcp(&self, host: &str, port: u16) -> std::io::Result<Dialled> {
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            Some(tls) => tls.secure(stream).await,
            None => Ok(Box::new(stream)),
        }
    }

    pub(crate) fn unreachable(&self, cause: String) -> ConnectError {
        ConnectError::Unreachable { address: self.address(), cause }
    }
}

impl Endpoint {
    fn of(config: &Config) -> Result<Self, UrlError> {
        let (hosts, ports) = (config.get_hosts(), config.get_ports());
        let ([host], [] | [_]) = (hosts, ports) else {
            return Err(UrlError(format!("needs one host, has {}; use a proxy for failover", hosts.len())));
        };
        let port = ports.first().copied().unwrap_or(5432);
        match host {
            Host::Tcp(name) => Ok(Self::Tcp(name.clone(), port)),
            Host::Unix(folder) => Ok(Self::Unix(folder.join(format!(".s.PGSQL.{port}")))),
        }
    }
}

async fn dial_unix(path: &Path) -> std::io::Result<Dialled> {
    Ok(Box::new(UnixStream::connect(path).await?))
}

/// tokio-postgres does not know libpq's `verify-full`; what it calls `require` is that here.
fn with_one_name_for_verification(url: &str) -> String {
    match url.split_once('?') {
        Some((address, query)) => {
            format!("{address}?{}", query.replace("sslmode=verify-full", "sslmode=require"))
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Result<Target, UrlError> {
        Target::new(url, &SessionSettings::default())
    }

    #[test]
    fn a_socket_folder_and_a_host_are_addresses() {
        let address = |url| target(url).expect("a target").address();
        assert_eq!(address("postgres://app@db.example:6543/shop"), "db.example:6543");
        assert_eq!(address("postgres://app@db.example/shop"), "db.example:5432");
        assert_eq!(address("postgres:///shop?host=/run/pg&user=app"), "/run/pg/.s.PGSQL.5432");
    }

    #[test]
    fn settings_of_the_url_come_after_ours_and_so_win() {
        let target = target("postgres://app@h/d?options=-c%20statement_timeout%3D5").expect("a target");
        let options = target.config.get_options().expect("options");
        assert!(options.starts_with("-c statement_timeout=30000 -c lock_timeout=10000"), "{options}");
        assert!(options.ends_with(" -c statement_timeout=5"), "{options}");
    }

    #[test]
    fn what_cannot_be_served_is_refused_without_showing_the_password() {
        for url in [
            "postgres://app:s3cret@h1,h2/d",
            "postgres://app:s3cret@h/d?sslmode=verify-ca",
            "postgres://app:s3cret@h/d?sslnegotiation=direct",
            "postgres://app:s3cret@h/d?nonsense=1",
            "mysql://app:s3cret@h/d",
        ] {
            let error = target(url).expect_err(url).to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
