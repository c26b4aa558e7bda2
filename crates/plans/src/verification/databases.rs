//! The databases of a verification, beside the one that its address names.

use crate::{Error, freeze};
use steadfast_postgres::tokio_postgres::error::SqlState;
use steadfast_postgres::tokio_postgres::{self, Client, NoTls};
use tokio::task::JoinHandle;

/// One verification at a time by one address, and a bound on the wait for the other. Locks belong to a database.
const CLAIM: &str = "SET lock_timeout = '600s'; SET statement_timeout = '600s'; SET client_min_messages = error; \
     SELECT pg_advisory_lock(hashtext('steadfast verification'))";

/// The server itself waits five seconds for sessions to leave an original.
const COPIES: u32 = 6;

/// What the databases are for, which ends their names.
const ROLES: [&str; 6] = ["small", "small_program", "small_replay", "large", "large_program", "large_replay"];

/// A session on the server, and the right to its databases.
#[derive(Clone, Debug)]
pub(super) struct Databases(std::sync::Arc<Session>);

#[derive(Debug)]
struct Session {
    url: String,
    /// What names begin with.
    prefix: String,
    client: Client,
    connection: JoinHandle<()>,
}

impl Databases {
    pub(super) async fn claim(url: &str) -> Result<Self, Error> {
        let (client, connection) = open(url).await?;
        client.batch_execute(CLAIM).await.map_err(Error::database("wait for another verification"))?;
        let name = client.query_one("SELECT left(current_database(), 30) || '_verification_'", &[]).await;
        let prefix = name.map_err(Error::database("ask for the database's name"))?.get(0);
        let claimed = Self(std::sync::Arc::new(Session { url: url.to_owned(), prefix, client, connection }));
        claimed.drop_all().await?;
        Ok(claimed)
    }

    /// The address of the database of that `role`.
    pub(super) fn url(&self, role: &str) -> String {
        with_database(&self.0.url, &format!("{}{role}", self.0.prefix))
    }

    pub(super) async fn create(&self, role: &str) -> Result<(), Error> {
        self.execute(&format!("CREATE DATABASE {}", self.name(role))).await
    }

    /// Makes `role` a copy of `original`, file by file, and drops what it was.
    pub(super) async fn copy(&self, role: &str, original: &str) -> Result<(), Error> {
        self.drop(role).await?;
        let sql = format!("CREATE DATABASE {} TEMPLATE {}", self.name(role), self.name(original));
        for _ in 1..COPIES {
            match self.0.client.batch_execute(&sql).await {
                Err(error) if error.code() == Some(&SqlState::OBJECT_IN_USE) => {}
                done => return done.map_err(Error::database(format!("run `{sql}`"))),
            }
        }
        self.execute(&sql).await
    }

    /// Takes `role` out of time: rows are old, statistics are there, and nothing changes either by itself.
    pub(super) async fn settle(&self, role: &str) -> Result<(), Error> {
        let (client, connection) = open(&self.url(role)).await?;
        let outcome = freeze(&client).await.map(drop);
        drop(client);
        // The copies that come next need it gone.
        _ = connection.await;
        outcome
    }

    pub(super) async fn drop_all(&self) -> Result<(), Error> {
        for role in ROLES {
            self.drop(role).await?;
        }
        Ok(())
    }

    async fn drop(&self, role: &str) -> Result<(), Error> {
        self.execute(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name(role))).await
    }

    async fn execute(&self, sql: &str) -> Result<(), Error> {
        self.0.client.batch_execute(sql).await.map_err(Error::database(format!("run `{sql}`")))
    }

    fn name(&self, role: &str) -> String {
        format!("\"{}{role}\"", self.0.prefix.replace('"', "\"\""))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

async fn open(url: &str) -> Result<(Client, JoinHandle<()>), Error> {
    let opened = tokio_postgres::connect(url, NoTls).await;
    let (client, connection) = opened.map_err(Error::database("reach the server"))?;
    Ok((client, tokio::spawn(async move { _ = connection.await })))
}

/// `url` with another database: a `postgres://` address, or a string of keywords.
fn with_database(url: &str, name: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        let quoted = name.replace('\\', "\\\\").replace('\'', "\\'");
        return format!("{url} dbname='{quoted}'");
    };
    let (address, query) = rest.find('?').map_or((rest, ""), |at| rest.split_at(at));
    let server = address.split('/').next().unwrap_or_default();
    format!("{scheme}://{server}/{}{query}", percent_encoded(name))
}

fn percent_encoded(name: &str) -> String {
    let encoded = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    name.bytes().map(encoded).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use steadfast_postgres::tokio_postgres::Config;

    #[test]
    fn an_address_of_either_form_is_turned_to_another_database() {
        for url in [
            "postgres://me:secret@db.example:5433/stars?connect_timeout=3",
            "postgresql://me:secret@db.example:5433?connect_timeout=3",
            "host=db.example port=5433 user=me password=secret dbname=stars connect_timeout=3",
        ] {
            for name in ["stars_small", "St?rs/ 'n' \"more\"\\_small"] {
                let config: Config = with_database(url, name).parse().expect(url);
                assert_eq!(config.get_dbname(), Some(name), "{url}");
                assert_eq!(config.get_user(), Some("me"));
                assert_eq!(config.get_ports(), [5433]);
                assert_eq!(config.get_connect_timeout().map(std::time::Duration::as_secs), Some(3));
            }
        }
    }
}
