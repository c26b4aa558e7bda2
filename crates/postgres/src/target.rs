//! The target of a pool: hosts and session settings from the connection string.

mod dial;
mod hosts;
mod passfile;
mod session_attrs;
mod sockets;

pub(crate) use dial::{Peer, Race};
pub(crate) use hosts::Host;
pub(crate) use session_attrs::Requirement;

use crate::activity::Server;
use crate::error::{ConnectError, UrlError};
use crate::parameters::{Environment, Parameters};
use crate::ssl_mode::SslMode;
use crate::tls::Tls;
use crate::{Recorder, StatementLog};
use hosts::Location;
use passfile::Passfile;
use rand::seq::SliceRandom;
use session_attrs::SessionAttrs;
use sockets::SocketOptions;
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres::config::{ChannelBinding, SslNegotiation};

/// Default time limit for an attempt at one host.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Additional time for attempts at several hosts, so that their causes can be reported.
const SEVERAL_HOSTS_SLACK: Duration = Duration::from_millis(100);

/// Environment variables of libpq that set a session parameter.
const SESSION_VARIABLES: [(&str, &str); 3] =
    [("PGDATESTYLE", "DateStyle"), ("PGTZ", "TimeZone"), ("PGGEQO", "geqo")];

/// Session parameters that diesel-async sets, with their values.
const FIXED: [(&str, &str); 2] = [("timezone=", "utc"), ("client_encoding=", "utf8")];

/// Settings of a session. They are sent in the startup packet and cost no statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSettings {
    /// Name in `pg_stat_activity` and in the server's log. `application_name` in the connection string and `PGAPPNAME`
    /// override it.
    pub application_name: String,
    /// Maximum duration of a statement on the server, as a backstop for the deadlines. Zero means no limit.
    pub statement_timeout: Duration,
    /// Maximum wait for a lock. Zero means no limit.
    pub lock_timeout: Duration,
    /// Maximum idle time in a transaction. Zero means no limit.
    pub idle_in_transaction_timeout: Duration,
    /// Interval at which the server checks during a statement that the client is connected. Zero disables the check.
    pub connection_check_interval: Duration,
    /// Logging of the session's statements.
    pub statement_log: StatementLog,
    /// True if sessions go through PgBouncer in transaction mode. Then the session sends no settings (set
    /// `statement_timeout` and `lock_timeout` with ALTER ROLE), caches no prepared statements, and runs every unit of
    /// work in a transaction. PgBouncer in session mode does not need this, but versions before 1.20 need
    /// `ignore_startup_parameters = options`.
    pub pgbouncer_transaction: bool,
    /// Maximum number of prepared statements that a session caches between units of work. If a unit of work leaves
    /// more, all of them are closed. Defaults to 256.
    pub statement_cache: usize,
    /// Recorder of the session's statements, including values, for verification and tests. Defaults to none.
    pub recorder: Option<Recorder>,
    /// Certificate authorities that are trusted to sign the server's certificate.
    #[cfg(feature = "tls")]
    pub tls_roots: crate::TlsRoots,
}

impl Default for SessionSettings {
    /// Returns limits of 30 s per statement, 10 s per lock and 60 s idle in a transaction, with a client check every 5
    /// s.
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
        .map(|(name, limit)| format!("-c {name}={}", milliseconds(limit)))
        .join(" ")
    }
}

/// Returns `limit` in the server's range. Less than a millisecond becomes one, since zero means no limit.
fn milliseconds(limit: Duration) -> i32 {
    let rounded_up = limit.as_nanos().div_ceil(1_000_000);
    i32::try_from(rounded_up).unwrap_or(i32::MAX)
}

/// A database on one of several hosts.
#[derive(Debug)]
pub(crate) struct Target {
    hosts: Vec<Host>,
    /// True if hosts and their addresses are tried in random order.
    is_shuffled: bool,
    attrs: SessionAttrs,
    /// Time limit for an attempt at one host.
    pub(crate) connect_timeout: Duration,
    sockets: SocketOptions,
    tls: Option<Tls>,
    /// Activity of the server on all sessions.
    pub(crate) server: Arc<Server>,
    pub(crate) statement_log: StatementLog,
    pub(crate) statement_timeout: Duration,
    pub(crate) statement_cache: usize,
    pub(crate) recorder: Option<Recorder>,
    /// True if consecutive statements outside of a transaction may run on different servers.
    pub(crate) pooled_by_transaction: bool,
}

impl Target {
    /// Parses `url`, adds defaults from the `PG*` environment variables and the settings of `session`.
    ///
    /// # Errors
    /// Returns [`UrlError`] if a parameter is malformed or unsupported.
    pub(crate) fn new(url: &str, session: &SessionSettings) -> Result<Self, UrlError> {
        Self::with_environment(url, session, &|name| std::env::var_os(name))
    }

    /// Creates a target like [`Target::new`] with the variables of `environment`.
    fn with_environment(
        url: &str,
        session: &SessionSettings,
        environment: Environment<'_>,
    ) -> Result<Self, UrlError> {
        let mut parameters = Parameters::read(url, environment)?;
        let locations = hosts::read_locations(&mut parameters)?;
        let sockets = match locations.iter().any(Location::is_tcp) {
            true => SocketOptions::read(&mut parameters)?,
            false => SocketOptions::default(),
        };
        let tls = read_tls(&mut parameters, &locations, session)?;
        let (config, passwords) = read_login(&mut parameters, session)?;
        let limit = parameters.take_number("connect_timeout", "seconds", 1..=2_147_483)?;
        let order = [("disable", false), ("random", true)];
        let target = Self {
            hosts: hosts::with_passwords(locations, &config, &passwords),
            is_shuffled: parameters.take_word("load_balance_hosts", &order)?.unwrap_or(false),
            attrs: parameters
                .take_word("target_session_attrs", &SessionAttrs::words())?
                .unwrap_or(SessionAttrs::ANY),
            connect_timeout: limit.map_or(CONNECT_TIMEOUT, |seconds| Duration::from_secs(seconds.into())),
            sockets,
            tls,
            server: Arc::new(Server::new()),
            statement_log: session.statement_log,
            statement_timeout: session.statement_timeout,
            statement_cache: session.statement_cache,
            recorder: session.recorder.clone(),
            pooled_by_transaction: session.pgbouncer_transaction,
        };
        parameters.finish()?;
        Ok(target)
    }

    /// Returns host and port, or the path of the socket; a list for several hosts.
    pub(crate) fn address(&self) -> String {
        let addresses: Vec<&str> = self.hosts.iter().map(|host| host.address.as_str()).collect();
        addresses.join(", ")
    }

    /// Returns the hosts in the order of the attempts, each with the required kind of session. Hosts that failed
    /// recently come last.
    pub(crate) fn attempts(&self) -> Vec<(&Host, Option<Requirement>)> {
        let mut hosts: Vec<&Host> = self.hosts.iter().collect();
        if self.is_shuffled {
            hosts.shuffle(&mut rand::rng());
        }
        hosts.sort_by_key(|host| host.failed_recently());
        let rounds = self.attrs.rounds.iter();
        rounds.flat_map(|requirement| hosts.iter().map(|host| (*host, *requirement))).collect()
    }

    /// Returns the value of `target_session_attrs`.
    pub(crate) fn session_attrs(&self) -> &'static str {
        self.attrs.word
    }

    /// Returns the time limit for opening a session, all hosts together.
    pub(crate) fn connect_limit(&self) -> Duration {
        let attempts = self.hosts.len().saturating_mul(self.attrs.rounds.len());
        let slack = if attempts > 1 { SEVERAL_HOSTS_SLACK } else { Duration::ZERO };
        self.connect_timeout.saturating_mul(attempts.try_into().unwrap_or(u32::MAX)).saturating_add(slack)
    }

    /// Returns the error for a database that cannot be reached.
    pub(crate) fn unreachable(&self, cause: String) -> ConnectError {
        ConnectError::Unreachable { address: self.address(), cause }
    }
}

/// Takes the TLS parameters. They are rejected if all hosts are unix sockets.
fn read_tls(
    parameters: &mut Parameters<'_>,
    locations: &[Location],
    #[cfg_attr(not(feature = "tls"), expect(unused_variables, reason = "names authorities of TLS"))]
    session: &SessionSettings,
) -> Result<Option<Tls>, UrlError> {
    if locations.iter().any(Location::is_tcp) {
        #[cfg(feature = "tls")]
        return Tls::read(parameters, &session.tls_roots);
        #[cfg(not(feature = "tls"))]
        return Tls::read(parameters);
    }
    let given = parameters.take("sslmode");
    if let Some(given) = given.filter(|given| given.is_explicit)
        && ![SslMode::Disable.word(), SslMode::Prefer.word()].contains(&&*given.value)
    {
        return Err(
            given.refused("has an unsupported value: a unix socket has no TLS; use disable or prefer")
        );
    }
    Ok(None)
}

/// Takes the parameters of the login and the session. A password in the connection string applies to all hosts; a
/// password file may have one for each.
fn read_login(
    parameters: &mut Parameters<'_>,
    session: &SessionSettings,
) -> Result<(Config, Passfile), UrlError> {
    let mut config = Config::new();
    let user = match parameters.take_value("user") {
        Some(user) => user,
        None => whoami::username().map_err(|error| {
            UrlError(format!("no user is given, and the name of the system user is unknown: {error}"))
        })?,
    };
    config.user(user);
    if let Some(database) = parameters.take_value("dbname") {
        config.dbname(database);
    }
    let password = parameters.take("password");
    let passwords = match &password {
        Some(password) if password.is_explicit || !parameters.is_explicit("passfile") => Passfile::default(),
        _ => Passfile::read(parameters)?,
    };
    if let Some(password) = password {
        config.password(password.value);
    }
    let bindings = [
        ("disable", ChannelBinding::Disable),
        ("prefer", ChannelBinding::Prefer),
        ("require", ChannelBinding::Require),
    ];
    if let Some(binding) = parameters.take_word("channel_binding", &bindings)? {
        config.channel_binding(binding);
    }
    config.application_name(read_application_name(parameters, session));
    let options = read_options(parameters, session)?;
    if !options.is_empty() {
        config.options(options);
    }
    // `dial` returns secured streams: see AlreadySecured.
    config.ssl_mode(tokio_postgres::config::SslMode::Require).ssl_negotiation(SslNegotiation::Direct);
    Ok((config, passwords))
}

/// Returns the application name from the connection string, the environment or the session settings, in this order.
fn read_application_name(parameters: &mut Parameters<'_>, session: &SessionSettings) -> String {
    let name = parameters.take("application_name");
    if let Some(explicit) = name.as_ref().filter(|name| name.is_explicit) {
        return explicit.value.clone();
    }
    let fallback = parameters.take_value("fallback_application_name");
    name.map(|name| name.value).or(fallback).unwrap_or_else(|| session.application_name.clone())
}

/// Returns the options of the session settings, the environment and the connection string, of which later ones win.
fn read_options(parameters: &mut Parameters<'_>, session: &SessionSettings) -> Result<String, UrlError> {
    let mut options = Vec::new();
    if !session.pgbouncer_transaction {
        options.push(session.as_options());
    }
    for (variable, setting) in SESSION_VARIABLES {
        if let Some(value) = parameters.variable(variable)? {
            let escaped = value.replace('\\', "\\\\").replace(' ', "\\ ");
            let option = format!("-c {setting}={escaped}");
            check_option(variable, &option)?;
            options.push(option);
        }
    }
    if let Some(given) = parameters.take("options") {
        check_option(given.origin, &given.value)?;
        options.push(given.value);
    }
    Ok(options.join(" "))
}

/// Checks that `options` sets no parameter that diesel-async overrides.
fn check_option(origin: &str, options: &str) -> Result<(), UrlError> {
    let options = options.to_ascii_lowercase().replace('-', "_");
    for (name, value) in FIXED {
        if options.split(name).skip(1).any(|rest| !rest.starts_with(value)) {
            let name = name.trim_end_matches('=');
            return Err(UrlError(format!(
                "{origin} sets {name}, which every session sets to {value}: leave it out"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
