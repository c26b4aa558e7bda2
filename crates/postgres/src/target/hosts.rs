//! The hosts of a target, in the order of the connection string.

use super::passfile::{Login, Passfile};
use crate::error::UrlError;
use crate::parameters::{Parameter, Parameters};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio_postgres::Config;

const DEFAULT_PORT: u16 = 5432;

/// Time for which a failed host is tried after the others, like pgjdbc's `hostRecheckSeconds`.
const RECHECK: Duration = Duration::from_secs(10);

/// Directories of the socket that `localhost` matches in a password file.
const DEFAULT_SOCKET_FOLDERS: [&str; 3] = ["/tmp", "/run/postgresql", "/var/run/postgresql"];

/// A host of the target.
#[derive(Debug)]
pub(crate) struct Host {
    /// Host and port, or the path of the socket, for errors.
    pub(crate) address: String,
    pub(crate) location: Location,
    /// Credentials and settings of the session.
    pub(crate) config: Config,
    failed_at: Mutex<Option<Instant>>,
}

/// Location of a host.
#[derive(Clone, Debug)]
pub(crate) enum Location {
    Tcp {
        /// Host name that the certificate must have.
        name: String,
        /// IP addresses; the name is resolved if there are none.
        addresses: Vec<IpAddr>,
        port: u16,
    },
    Unix {
        /// Directory of the socket.
        folder: String,
        port: u16,
    },
}

impl Host {
    /// Records that the host gave no session.
    pub(crate) fn note_failure(&self) {
        *self.failed_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Records that the host gave a session.
    pub(crate) fn note_success(&self) {
        *self.failed_at.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Returns true if the host failed recently.
    pub(super) fn failed_recently(&self) -> bool {
        let failed_at = *self.failed_at.lock().unwrap_or_else(PoisonError::into_inner);
        failed_at.is_some_and(|failed_at| failed_at.elapsed() < RECHECK)
    }
}

impl Location {
    fn new(name: &str, address: Option<IpAddr>, port: u16) -> Self {
        match address {
            None if name.starts_with('/') => Self::Unix { folder: name.to_owned(), port },
            _ => Self::Tcp { name: name.to_owned(), addresses: address.into_iter().collect(), port },
        }
    }

    /// Returns host and port, or the path of the socket.
    fn address(&self) -> String {
        match self {
            Self::Tcp { name, port, .. } if name.contains(':') => format!("[{name}]:{port}"),
            Self::Tcp { name, port, .. } => format!("{name}:{port}"),
            Self::Unix { folder, port } => socket(folder, *port).display().to_string(),
        }
    }

    /// Returns host and port as written in a password file.
    fn in_passfile(&self) -> (&str, u16) {
        match self {
            Self::Tcp { name, port, .. } => (name, *port),
            Self::Unix { folder, port } if DEFAULT_SOCKET_FOLDERS.contains(&folder.as_str()) => {
                ("localhost", *port)
            }
            Self::Unix { folder, port } => (folder, *port),
        }
    }

    /// Returns true if the host is reached over TCP.
    pub(crate) fn is_tcp(&self) -> bool {
        matches!(self, Self::Tcp { .. })
    }
}

/// Returns the path of the socket of a server at `port` in `folder`.
pub(super) fn socket(folder: &str, port: u16) -> PathBuf {
    PathBuf::from(folder).join(format!(".s.PGSQL.{port}"))
}

/// Takes `host`, `hostaddr` and `port`.
///
/// # Errors
/// Returns [`UrlError`] if there is no host, the lists have different lengths, or an entry is malformed.
pub(super) fn read_locations(parameters: &mut Parameters<'_>) -> Result<Vec<Location>, UrlError> {
    let (hosts, addresses) = (parameters.take("host"), parameters.take("hostaddr"));
    let names = hosts.as_ref().map(read_names).transpose()?.unwrap_or_default();
    let addresses_of = addresses.as_ref().map(read_addresses).transpose()?.unwrap_or_default();
    let count = match (&addresses, names.len(), addresses_of.len()) {
        (None, 0, _) => {
            return Err(UrlError("no host is given: add one or set PGHOST".to_owned()));
        }
        (Some(addresses), names @ 1.., count) if names != count => {
            return Err(addresses.refused(&format!("has {count} entries for {names} hosts")));
        }
        (_, names, addresses) => names.max(addresses),
    };
    let ports = read_ports(parameters, count)?;
    let locations = (0..count).map(|number| {
        let address = addresses_of.get(number).copied().flatten();
        match (names.get(number), address) {
            (Some(name), None) if name.is_empty() => Err(UrlError("host has an empty entry".to_owned())),
            (Some(name), _) if !name.is_empty() => Ok(Location::new(name, address, ports[number])),
            (_, Some(address)) => Ok(Location::new(&address.to_string(), Some(address), ports[number])),
            (_, None) => Err(UrlError("hostaddr has an empty entry for a host without a name".to_owned())),
        }
    });
    locations.collect()
}

fn read_names(hosts: &Parameter) -> Result<Vec<String>, UrlError> {
    let names: Vec<String> = hosts.value.split(',').map(str::to_owned).collect();
    if names.iter().any(|name| !name.starts_with('/') && name.contains(['@', '/', '?', '#', ' '])) {
        return Err(hosts.refused(
            "contains a character that is invalid in a host name: percent-encode user and password",
        ));
    }
    Ok(names)
}

fn read_addresses(addresses: &Parameter) -> Result<Vec<Option<IpAddr>>, UrlError> {
    let parsed = addresses.value.split(',').map(|address| match address {
        "" => Ok(None),
        address => address.parse().map(Some),
    });
    let parsed: Result<_, _> = parsed.collect();
    parsed.map_err(|_| addresses.refused("is not a list of IP addresses: use host for names"))
}

/// Returns one port for each host. A single port applies to all.
fn read_ports(parameters: &mut Parameters<'_>, hosts: usize) -> Result<Vec<u16>, UrlError> {
    let Some(ports) = parameters.take("port") else { return Ok(vec![DEFAULT_PORT; hosts]) };
    let parsed = ports.value.split(',').map(|port| match port {
        "" => Some(DEFAULT_PORT),
        port => port.parse().ok().filter(|port| *port != 0),
    });
    let parsed: Option<Vec<u16>> = parsed.collect();
    match parsed.as_deref() {
        Some([port]) => Ok(vec![*port; hosts]),
        Some(list) if list.len() == hosts => Ok(list.to_vec()),
        Some(list) => Err(ports.refused(&format!("has {} entries for {hosts} hosts", list.len()))),
        None => {
            Err(ports.refused("is not a number from 1 to 65535: percent-encode a password with `/` or `@`"))
        }
    }
}

/// Combines each location with the session's settings and its password.
pub(super) fn with_passwords(locations: Vec<Location>, config: &Config, passwords: &Passfile) -> Vec<Host> {
    let user = config.get_user().unwrap_or_default();
    let database = config.get_dbname().unwrap_or(user);
    let hosts = locations.into_iter().map(|location| {
        let (host, port) = location.in_passfile();
        let mut config = config.clone();
        if let Some(password) = passwords.password(&Login { host, port, database, user }) {
            config.password(password);
        }
        Host { address: location.address(), location, config, failed_at: Mutex::default() }
    });
    hosts.collect()
}
