//! The address of a server, from which the address of each database is made.

use crate::{Error, Result};

/// A `postgres://` URL without its database.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct ServerUrl {
    /// Scheme, user, host and port.
    authority: String,
    /// With its `?`; may be empty.
    query: String,
}

// A password may stand in the authority.
impl std::fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.authority.rsplit('@').next().unwrap_or_default())
    }
}

impl ServerUrl {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let (address, query) = text.find('?').map_or((text, ""), |at| text.split_at(at));
        let known = ["postgres://", "postgresql://"].into_iter().find(|scheme| address.starts_with(scheme));
        let scheme = known.ok_or(Error::BadServerUrl)?;
        let rest = &address[scheme.len()..];
        let host = rest.split('/').next().filter(|host| !host.is_empty()).ok_or(Error::BadServerUrl)?;
        Ok(Self { authority: format!("{scheme}{host}"), query: query.to_owned() })
    }

    /// A server of this machine whose superuser needs no password.
    pub(crate) fn of_port(port: u16) -> Self {
        Self { authority: format!("postgres://postgres@127.0.0.1:{port}"), query: String::new() }
    }

    pub(crate) fn database(&self, name: &str) -> String {
        format!("{}/{name}{}", self.authority, self.query)
    }

    /// The same server for the user `name`, with the password that there is.
    pub(crate) fn for_user(&self, name: &str) -> Self {
        let (scheme, rest) = self.authority.split_once("://").unwrap_or_default();
        let (user, host) = rest.rsplit_once('@').unwrap_or(("", rest));
        let password = user.split_once(':').map_or_else(String::new, |(_, password)| format!(":{password}"));
        Self { authority: format!("{scheme}://{name}{password}@{host}"), query: self.query.clone() }
    }

    /// What it says, taken apart.
    pub(crate) fn config(&self) -> Result<tokio_postgres::Config> {
        self.database("postgres").parse().map_err(|_| Error::BadServerUrl)
    }

    /// Whether the server runs on this machine, so that process ids in its databases' names are ours to judge.
    pub(crate) fn is_local(&self) -> bool {
        let host = self.authority.rsplit(['@', '/']).next().unwrap_or_default();
        ["127.0.0.1", "localhost", "[::1]", "%2F", "%2f"].into_iter().any(|local| host.starts_with(local))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_is_replaced_and_parameters_stay() {
        let server = ServerUrl::parse("postgres://me:secret@127.0.0.1:5433/old?sslmode=disable").unwrap();
        assert_eq!(server.database("new"), "postgres://me:secret@127.0.0.1:5433/new?sslmode=disable");
        assert!(!format!("{server:?}").contains("secret"));
    }

    #[test]
    fn another_user_has_the_same_server_and_password() {
        for (url, other) in [
            ("postgres://me:secret@127.0.0.1:5433/old?a=b", "postgres://you:secret@127.0.0.1:5433/new?a=b"),
            ("postgresql://me@%2Ftmp/old", "postgresql://you@%2Ftmp/new"),
            ("postgres://localhost", "postgres://you@localhost/new"),
        ] {
            assert_eq!(ServerUrl::parse(url).unwrap().for_user("you").database("new"), other);
        }
    }

    #[test]
    fn only_this_machine_is_local() {
        for (url, local) in [
            ("postgres://127.0.0.1", true),
            ("postgresql://a@localhost:1/b", true),
            ("postgres://a@%2Ftmp%2Fsocket/b", true),
            ("postgres://a@db.example.org/b", false),
        ] {
            assert_eq!(ServerUrl::parse(url).unwrap().is_local(), local, "{url}");
        }
    }

    #[test]
    fn what_is_no_url_is_refused() {
        for text in ["", "host=127.0.0.1", "mysql://a", "postgres://", "postgres:///db"] {
            assert!(matches!(ServerUrl::parse(text), Err(Error::BadServerUrl)), "{text}");
        }
    }
}
