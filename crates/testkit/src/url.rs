//! URL of a server, from which those of its databases are built.

use crate::{Error, Result};

/// A `postgres://` URL without its database.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct ServerUrl {
    /// Scheme, user, host and port.
    authority: String,
    /// Parameters with their `?`; may be empty.
    query: String,
}

// The authority may contain a password.
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

    /// Returns the URL of a server of this machine whose superuser needs no password.
    pub(crate) fn of_port(port: u16) -> Self {
        Self { authority: format!("postgres://postgres@127.0.0.1:{port}"), query: String::new() }
    }

    pub(crate) fn database(&self, name: &str) -> String {
        format!("{}/{name}{}", self.authority, self.query)
    }

    /// Returns the URL for the user `name`, with the same password.
    pub(crate) fn for_user(&self, name: &str) -> Self {
        let (scheme, rest) = self.authority.split_once("://").unwrap_or_default();
        let (user, host) = rest.rsplit_once('@').unwrap_or(("", rest));
        let password = user.split_once(':').map_or_else(String::new, |(_, password)| format!(":{password}"));
        Self { authority: format!("{scheme}://{name}{password}@{host}"), query: self.query.clone() }
    }

    /// Parses the URL.
    pub(crate) fn config(&self) -> Result<tokio_postgres::Config> {
        self.database("postgres").parse().map_err(|_| Error::BadServerUrl)
    }

    /// Returns true if the server runs on this machine, where process ids in the names of databases can be checked.
    pub(crate) fn is_local(&self) -> bool {
        let host = self.authority.rsplit(['@', '/']).next().unwrap_or_default();
        ["127.0.0.1", "localhost", "[::1]", "%2F", "%2f"].into_iter().any(|local| host.starts_with(local))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_database_and_preserves_parameters() {
        let server = ServerUrl::parse("postgres://me:secret@127.0.0.1:5433/old?sslmode=disable").unwrap();
        assert_eq!(server.database("new"), "postgres://me:secret@127.0.0.1:5433/new?sslmode=disable");
        assert!(!format!("{server:?}").contains("secret"));
    }

    #[test]
    fn replaces_user_and_preserves_password() {
        for (url, other) in [
            ("postgres://me:secret@127.0.0.1:5433/old?a=b", "postgres://you:secret@127.0.0.1:5433/new?a=b"),
            ("postgresql://me@%2Ftmp/old", "postgresql://you@%2Ftmp/new"),
            ("postgres://localhost", "postgres://you@localhost/new"),
        ] {
            assert_eq!(ServerUrl::parse(url).unwrap().for_user("you").database("new"), other);
        }
    }

    #[test]
    fn recognises_local_servers() {
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
    fn rejects_invalid_urls() {
        for text in ["", "host=127.0.0.1", "mysql://a", "postgres://", "postgres:///db"] {
            assert!(matches!(ServerUrl::parse(text), Err(Error::BadServerUrl)), "{text}");
        }
    }
}
