//! Where the database is and how a session begins there: the connection string, checked once, with the session's
//! settings added.

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

/// Time limit for an attempt at one host where `connect_timeout` sets none.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// What attempts at several hosts may take longer than their limits together, so that their causes are not cut off.
const SEVERAL_HOSTS_SLACK: Duration = Duration::from_millis(100);

/// Environment variables of libpq that set a parameter of the session.
const SESSION_VARIABLES: [(&str, &str); 3] =
    [("PGDATESTYLE", "DateStyle"), ("PGTZ", "TimeZone"), ("PGGEQO", "geqo")];

/// Parameters of the session that diesel-async sets itself, with their values.
const FIXED: [(&str, &str); 2] = [("timezone=", "utc"), ("client_encoding=", "utf8")];

/// Settings that a session begins with. They travel in the startup packet: no statement is spent on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSettings {
    /// Name in `pg_stat_activity` and in the server's log. `application_name` in the connection string and `PGAPPNAME`
    /// replace it.
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
    /// a transaction. In session mode PgBouncer needs none of this, but before
    /// version 1.20 it needs `ignore_startup_parameters = options`.
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
        .map(|(name, limit)| format!("-c {name}={}", milliseconds(limit)))
        .join(" ")
    }
}

/// Returns `limit` in the server's range. Less than a millisecond becomes one, since zero is no limit.
fn milliseconds(limit: Duration) -> i32 {
    let rounded_up = limit.as_nanos().div_ceil(1_000_000);
    i32::try_from(rounded_up).unwrap_or(i32::MAX)
}

/// One database, on one of several hosts.
#[derive(Debug)]
pub(crate) struct Target {
    hosts: Vec<Host>,
    /// Whether the order of hosts and of their addresses is random.
    is_shuffled: bool,
    attrs: SessionAttrs,
    /// Time limit for an attempt at one host.
    pub(crate) connect_timeout: Duration,
    sockets: SocketOptions,
    tls: Option<Tls>,
    /// What is heard of this server, on all sessions.
    pub(crate) server: Arc<Server>,
    pub(crate) statement_log: StatementLog,
    pub(crate) statement_timeout: Duration,
    pub(crate) statement_cache: usize,
    pub(crate) recorder: Option<Recorder>,
    /// Whether consecutive statements outside of a transaction may meet different servers.
    pub(crate) pooled_by_transaction: bool,
}

impl Target {
    /// Reads `url`, completes it by the `PG*` variables of the process, and adds `session`.
    ///
    /// # Errors
    /// Returns [`UrlError`] if a parameter is malformed or asks for what this library does not support.
    pub(crate) fn new(url: &str, session: &SessionSettings) -> Result<Self, UrlError> {
        Self::with_environment(url, session, &|name| std::env::var_os(name))
    }

    /// As [`Target::new`], with the variables of `environment`.
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

    /// Returns host and port, or the socket's path; a list for several hosts.
    pub(crate) fn address(&self) -> String {
        let addresses: Vec<&str> = self.hosts.iter().map(|host| host.address.as_str()).collect();
        addresses.join(", ")
    }

    /// Returns the hosts in the order in which a session is looked for, each with what the session has to be. Hosts that gave
    /// no session a short while ago come last.
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

    /// Returns the time within which a session is open or the attempt has failed, all hosts together.
    pub(crate) fn connect_limit(&self) -> Duration {
        let attempts = self.hosts.len().saturating_mul(self.attrs.rounds.len());
        let slack = if attempts > 1 { SEVERAL_HOSTS_SLACK } else { Duration::ZERO };
        self.connect_timeout.saturating_mul(attempts.try_into().unwrap_or(u32::MAX)).saturating_add(slack)
    }

    /// Returns the error for a database that no host gave a session of.
    pub(crate) fn unreachable(&self, cause: String) -> ConnectError {
        ConnectError::Unreachable { address: self.address(), cause }
    }
}

/// Takes the parameters of TLS. A socket has none, so that nothing is left to take where all hosts are sockets.
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

/// Takes the parameters of login and session. A password of the connection string is for all hosts; a file
/// of passwords may have one for each.
fn read_login(
    parameters: &mut Parameters<'_>,
    session: &SessionSettings,
) -> Result<(Config, Passfile), UrlError> {
    let mut config = Config::new();
    let user = match parameters.take_value("user") {
        Some(user) => user,
        None => whoami::username()
            .map_err(|error| UrlError(format!("names no user, and the system's is unknown: {error}")))?,
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
    // What `dial` gives is secured already: see AlreadySecured.
    config.ssl_mode(tokio_postgres::config::SslMode::Require).ssl_negotiation(SslNegotiation::Direct);
    Ok((config, passwords))
}

/// Returns the name of the connection string, else of the environment, else of the session's settings.
fn read_application_name(parameters: &mut Parameters<'_>, session: &SessionSettings) -> String {
    let name = parameters.take("application_name");
    if let Some(explicit) = name.as_ref().filter(|name| name.is_explicit) {
        return explicit.value.clone();
    }
    let fallback = parameters.take_value("fallback_application_name");
    name.map(|name| name.value).or(fallback).unwrap_or_else(|| session.application_name.clone())
}

/// Returns the settings of the session, then those of the environment and of the connection string: the last one wins.
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

/// Checks that `options` sets nothing that would be set to another value right after.
fn check_option(origin: &str, options: &str) -> Result<(), UrlError> {
    let options = options.to_ascii_lowercase().replace('-', "_");
    for (name, value) in FIXED {
        if options.split(name).skip(1).any(|rest| !rest.starts_with(value)) {
            let name = name.trim_end_matches('=');
            return Err(UrlError(format!(
                "{origin} sets {name}, which every session sets to {value} itself: leave it out"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
