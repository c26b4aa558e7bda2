//! The databases of a verification, next to the one that its URL names.

use crate::{Error, freeze};
use steadfast_postgres::tokio_postgres::error::SqlState;
use steadfast_postgres::tokio_postgres::{self, Client, NoTls};
use tokio::task::JoinHandle;

/// Allows one verification at a time in the database of the URL, and bounds the wait for another one.
const CLAIM: &str = "SET lock_timeout = '600s'; SET statement_timeout = '600s'; SET client_min_messages = error; \
     SELECT pg_advisory_lock(hashtext('steadfast verification'))";

/// Number of attempts to copy a database. In each of them the server waits five seconds for its sessions to end.
const COPIES: u32 = 6;

/// Purposes of the databases, which end their names.
const ROLES: [&str; 8] = [
    "small",
    "small_program",
    "small_replay",
    "small_mutant",
    "large",
    "large_program",
    "large_replay",
    "large_mutant",
];

/// Bytes of a database from which on copying its files is faster than copying it through the log, although it needs
/// two checkpoints.
const LARGE: i64 = 64 << 20;

/// A session on the server, and the claim to its databases.
#[derive(Clone, Debug)]
pub(super) struct Databases(std::sync::Arc<Session>);

#[derive(Debug)]
struct Session {
    url: String,
    /// Prefix of the names of the databases.
    prefix: String,
    /// Name of the database that new ones are copied from, quoted; `None` for empty ones.
    template: Option<String>,
    client: Client,
    connection: JoinHandle<()>,
}

impl Databases {
    /// Waits until no other verification uses `url`, and drops the databases that one may have left. New databases are
    /// empty, or copies of the database of `url`.
    pub(super) async fn claim(url: &str, is_template: bool) -> Result<Self, Error> {
        let (client, connection) = open(url).await?;
        client.batch_execute(CLAIM).await.map_err(Error::database("wait for another verification"))?;
        let names =
            "SELECT left(current_database(), 30) || '_verification_', quote_ident(current_database())";
        let names =
            client.query_one(names, &[]).await.map_err(Error::database("read the database's name"))?;
        let (prefix, template) = (names.get(0), is_template.then(|| names.get(1)));
        let session = Session { url: url.to_owned(), prefix, template, client, connection };
        let claimed = Self(std::sync::Arc::new(session));
        claimed.drop_all().await?;
        Ok(claimed)
    }

    /// Returns the URL of the database of that `role`.
    pub(super) fn url(&self, role: &str) -> String {
        with_database(&self.0.url, &self.plain_name(role))
    }

    pub(super) async fn create(&self, role: &str) -> Result<(), Error> {
        let name = self.name(role);
        match &self.0.template {
            None => self.execute(&format!("CREATE DATABASE {name}")).await,
            Some(template) => self.create_copy(&format!("CREATE DATABASE {name} TEMPLATE {template}")).await,
        }
    }

    /// Drops the database of `role` and creates it as a copy of that of `original`.
    pub(super) async fn copy(&self, role: &str, original: &str) -> Result<(), Error> {
        self.drop(role).await?;
        let is_large = "SELECT pg_database_size($1::text) >= $2";
        let is_large = self.0.client.query_one(is_large, &[&self.plain_name(original), &LARGE]).await;
        let is_large: bool = is_large.map_err(Error::database("read the size of a database"))?.get(0);
        let strategy = if is_large { "FILE_COPY" } else { "WAL_LOG" };
        let (name, original) = (self.name(role), self.name(original));
        self.create_copy(&format!("CREATE DATABASE {name} TEMPLATE {original} STRATEGY {strategy}")).await
    }

    async fn create_copy(&self, sql: &str) -> Result<(), Error> {
        for _ in 1..COPIES {
            match self.0.client.batch_execute(sql).await {
                Err(error) if error.code() == Some(&SqlState::OBJECT_IN_USE) => {}
                done => return done.map_err(Error::database(format!("run `{sql}`"))),
            }
        }
        self.execute(sql).await
    }

    /// Vacuums and analyses the database of `role`, so that its plans depend on nothing but the data.
    pub(super) async fn settle(&self, role: &str) -> Result<(), Error> {
        let (client, connection) = open(&self.url(role)).await?;
        let outcome = freeze(&client).await;
        drop(client);
        // A database with sessions cannot be copied.
        _ = connection.await;
        if outcome? { Ok(()) } else { Err(Error::NotFrozen) }
    }

    /// Returns the id of the last transaction of the server that has one: only those that write have.
    pub(super) async fn last_transaction(&self) -> Result<String, Error> {
        let sql = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text";
        let row = self.0.client.query_one(sql, &[]).await;
        Ok(row.map_err(Error::database("read the last transaction"))?.get(0))
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

    fn plain_name(&self, role: &str) -> String {
        format!("{}{role}", self.0.prefix)
    }

    fn name(&self, role: &str) -> String {
        format!("\"{}\"", self.plain_name(role).replace('"', "\"\""))
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

/// Returns `url`, a `postgres://` URL or a string of keywords, with another database.
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
    fn database_of_url_is_replaced_in_both_forms() {
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
