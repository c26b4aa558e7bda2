//! Template databases: built once for each fingerprint, copied by all processes, never incomplete.

use crate::scratch::fnv1a;
use crate::url::ServerUrl;
use crate::{Error, Process, Result};
use std::future::Future;
use std::hash::{BuildHasher as _, Hasher as _};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls};

const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// Longer than any migration of a test database. A process that waits that long waits for one that hangs.
const LOCK_PATIENCE: &str = "300s";
/// Number of attempts to copy, rename or drop. In each of them the server waits 5 s for other sessions.
const IN_USE_TRIES: u32 = 6;
const NAME_BYTES: usize = 40;
/// Role of the program under test. The server's statistics exclude its transaction control statements.
pub const APPLICATION_ROLE: &str = "steadfast_application";
/// Prefix of the names of test databases; process id, counter and a random number follow.
pub(crate) const CLONE_PREFIX: &str = "t_";

/// A session in the database `postgres` that creates and drops others. Its locks end with it.
pub(crate) struct Admin {
    client: Client,
    connection: JoinHandle<()>,
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Admin {
    pub(crate) async fn connect(server: &ServerUrl) -> Result<Self> {
        let action = || format!("reach the server {server:?}");
        let url = server.database("postgres");
        let mut config: tokio_postgres::Config = url.parse().map_err(Error::database(action()))?;
        config.connect_timeout(CONNECT_PATIENCE).application_name("steadfast-testkit");
        let (client, connection) = config.connect(NoTls).await.map_err(Error::database(action()))?;
        let connection = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "the set-up session ended");
            }
        });
        Ok(Self { client, connection })
    }

    pub(crate) async fn ensure_database(&self, name: &str) -> Result<bool> {
        check_name(name)?;
        match self.client.batch_execute(&format!("CREATE DATABASE {name}")).await {
            Ok(()) => Ok(true),
            // Concurrent creators can collide in the unique index of the catalogue.
            Err(error) if has_code(&error, &[SqlState::DUPLICATE_DATABASE, SqlState::UNIQUE_VIOLATION]) => {
                Ok(false)
            }
            Err(error) => Err(Error::database(format!("create database {name}"))(error)),
        }
    }

    /// Creates a database, empty or as a copy of `template`.
    pub(crate) async fn create(&self, name: &str, template: Option<&str>) -> Result<()> {
        let template = template.map_or_else(String::new, |template| format!(" TEMPLATE {template}"));
        self.execute_unless_in_use(&format!("CREATE DATABASE {name}{template}")).await
    }

    /// Copies the database `original` file by file. Through the log, a large one takes several times as long.
    pub(crate) async fn copy(&self, name: &str, original: &str) -> Result<()> {
        self.execute_unless_in_use(&format!(
            "CREATE DATABASE {name} TEMPLATE {original} STRATEGY = FILE_COPY"
        ))
        .await
    }

    /// Drops a database, if it exists, and ends its sessions.
    pub(crate) async fn drop_database(&self, name: &str) -> Result<()> {
        self.execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await
    }

    /// Drops the databases of processes that ended without doing so. A database that cannot be dropped is logged and
    /// left for the next sweep. Only for a server of this machine: elsewhere the process ids in the names mean nothing.
    pub(crate) async fn sweep(&self) {
        let listed = self.databases("^t_[0-9]+_[0-9]+_[0-9a-f]+(_verification_[a-z_]+)?$").await;
        let names = listed.inspect_err(|error| tracing::warn!(%error, "test databases could not be listed"));
        for name in names.unwrap_or_default() {
            let owner = name.split('_').nth(1).and_then(|pid| pid.parse().ok()).and_then(Process::new);
            if owner.is_some_and(|owner| !owner.exists())
                && let Err(error) = self.drop_database(&name).await
            {
                tracing::warn!(%error, name, "a test database could not be dropped");
            }
        }
    }

    /// Copies the template of `prefix` and `fingerprint` to `name`, after building it with `migrate` if it is missing.
    ///
    /// Copying holds the lock of the prefix shared, building and dropping hold it exclusively. So incomplete templates
    /// are not copied, and templates in use are not dropped. The locks end with the session.
    pub(crate) async fn clone_template<F, E>(
        &self,
        name: &str,
        template: &Template<'_>,
        migrate: impl FnOnce(String) -> F,
        server: &ServerUrl,
    ) -> Result<()>
    where
        F: Future<Output = Result<(), E>>,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.lock(template, "pg_advisory_lock_shared").await?;
        if !self.exists(&template.name()).await? {
            self.lock(template, "pg_advisory_unlock_shared").await?;
            self.lock(template, "pg_advisory_lock").await?;
            if !self.exists(&template.name()).await? {
                self.build(template, migrate, server).await?;
            }
            self.lock(template, "pg_advisory_lock_shared").await?;
            self.lock(template, "pg_advisory_unlock").await?;
        }
        self.create(name, Some(&template.name())).await
    }

    /// Builds a template under another name, and renames it when it is complete. Leftovers of a killed build are
    /// dropped.
    async fn build<F, E>(
        &self,
        template: &Template<'_>,
        migrate: impl FnOnce(String) -> F,
        server: &ServerUrl,
    ) -> Result<()>
    where
        F: Future<Output = Result<(), E>>,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let unfinished = template.unfinished();
        self.drop_database(&unfinished).await?;
        self.create(&unfinished, None).await?;
        if let Err(error) = migrate(server.database(&unfinished)).await {
            self.drop_database(&unfinished).await?;
            return Err(Error::Migration { template: template.name(), source: error.into() });
        }
        self.ensure_application_role(server).await?;
        self.close_to_sessions(&unfinished).await?;
        self.execute_unless_in_use(&format!("ALTER DATABASE {unfinished} RENAME TO {}", template.name()))
            .await?;
        self.drop_outdated(template).await;
        Ok(())
    }

    /// Creates the role, unless the server has it.
    pub(crate) async fn ensure_application_role(&self, server: &ServerUrl) -> Result<()> {
        let password = server.config()?.get_password().map(|password| {
            let password = String::from_utf8_lossy(password).replace('\'', "''");
            format!(" PASSWORD '{password}'")
        });
        let password = password.unwrap_or_default();
        // In one message, so that of concurrent creators only one alters the role: the server rejects concurrent
        // changes. The setting is accepted even if the library is missing.
        let create = format!(
            "CREATE ROLE {APPLICATION_ROLE} LOGIN SUPERUSER{password}; \
             ALTER ROLE {APPLICATION_ROLE} SET pg_stat_statements.track_utility = off"
        );
        match self.client.batch_execute(&create).await {
            Err(error) if has_code(&error, &[SqlState::DUPLICATE_OBJECT, SqlState::UNIQUE_VIOLATION]) => {
                Ok(())
            }
            // Without the statement, which may contain a password.
            outcome => outcome.map_err(Error::database(format!("create the role {APPLICATION_ROLE}"))),
        }
    }

    /// Ends all sessions and forbids new ones, because they would block every copy.
    async fn close_to_sessions(&self, name: &str) -> Result<()> {
        self.execute(&format!("ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")).await?;
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1";
        self.rows(end, &[&name]).await.map(drop)
    }

    /// Drops outdated templates. One that cannot be dropped now is dropped by a later build.
    async fn drop_outdated(&self, template: &Template<'_>) {
        let pattern = format!("^{}_[0-9a-f]{{16}}$", template.prefix);
        let outdated = self.databases(&pattern).await.unwrap_or_default();
        for name in outdated.into_iter().filter(|name| *name != template.name()) {
            if let Err(error) = self.drop_database(&name).await {
                tracing::debug!(%error, "an outdated template could not be dropped");
            }
        }
    }

    async fn exists(&self, name: &str) -> Result<bool> {
        let query = "SELECT 1 FROM pg_catalog.pg_database WHERE datname = $1";
        Ok(!self.rows(query, &[&name]).await?.is_empty())
    }

    async fn databases(&self, pattern: &str) -> Result<Vec<String>> {
        let query = "SELECT datname::text FROM pg_catalog.pg_database WHERE datname ~ $1 ORDER BY 1";
        let rows = self.rows(query, &[&pattern]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    async fn lock(&self, template: &Template<'_>, function: &str) -> Result<()> {
        self.execute(&format!("SET lock_timeout = '{LOCK_PATIENCE}'")).await?;
        self.rows(&format!("SELECT {function}($1)"), &[&template.lock_key()]).await.map(drop)
    }

    async fn rows(&self, query: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<tokio_postgres::Row>> {
        self.client.query(query, values).await.map_err(Error::database(format!("run `{query}`")))
    }

    async fn execute(&self, statement: &str) -> Result<()> {
        self.client.batch_execute(statement).await.map_err(Error::database(format!("run `{statement}`")))
    }

    async fn execute_unless_in_use(&self, statement: &str) -> Result<()> {
        for _ in 1..IN_USE_TRIES {
            match self.client.batch_execute(statement).await {
                Err(error) if has_code(&error, &[SqlState::OBJECT_IN_USE]) => {}
                outcome => return outcome.map_err(Error::database(format!("run `{statement}`"))),
            }
        }
        self.execute(statement).await
    }
}

/// A template: prefix and fingerprint.
pub(crate) struct Template<'a> {
    prefix: &'a str,
    fingerprint: u64,
}

impl<'a> Template<'a> {
    pub(crate) fn new(prefix: &'a str, fingerprint: &str) -> Result<Self> {
        check_name(prefix)?;
        Ok(Self { prefix, fingerprint: fnv1a(fingerprint.as_bytes()) })
    }

    pub(crate) fn name(&self) -> String {
        format!("{}_{:016x}", self.prefix, self.fingerprint)
    }

    fn unfinished(&self) -> String {
        format!("{}_unfinished", self.prefix)
    }

    fn lock_key(&self) -> i64 {
        fnv1a(format!("template:{}", self.prefix).as_bytes()).cast_signed()
    }
}

/// Checks a name that is inserted into statements without quotes.
fn check_name(name: &str) -> Result<()> {
    let fits = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.len() <= NAME_BYTES
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    // The name of a template must not look like that of a test database, or it would be swept.
    if fits && !name.starts_with(CLONE_PREFIX) {
        Ok(())
    } else {
        Err(Error::BadName { name: name.to_owned() })
    }
}

fn has_code(error: &tokio_postgres::Error, codes: &[SqlState]) -> bool {
    error.code().is_some_and(|code| codes.contains(code))
}

/// Returns a number that differs between calls and processes. It is not suitable for secrets.
pub(crate) fn random() -> u64 {
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_names_that_need_quoting() {
        for name in ["", "A", "1a", "a-b", "a\"; DROP", "t_1", &"a".repeat(41)] {
            assert!(matches!(check_name(name), Err(Error::BadName { .. })), "{name}");
        }
        assert!(check_name("steadfast").is_ok());
    }

    #[tokio::test]
    async fn sweep_continues_after_failures() {
        let server = crate::Server::private().unwrap();
        let admin = Admin::connect(&server.server_url()).await.unwrap();
        let mut ended = std::process::Command::new("true").spawn().unwrap();
        ended.wait().unwrap();
        let [stuck, loose] = [0, 1].map(|number| format!("{CLONE_PREFIX}{}_{number}_00", ended.id()));
        for name in [&stuck, &loose] {
            admin.create(name, None).await.unwrap();
        }
        admin.execute(&format!("ALTER DATABASE {stuck} WITH IS_TEMPLATE true")).await.unwrap();
        admin.sweep().await;
        assert!(admin.exists(&stuck).await.unwrap());
        assert!(!admin.exists(&loose).await.unwrap());
    }

    #[test]
    fn templates_of_a_prefix_share_a_lock() {
        let [one, two] = ["1", "2"].map(|fingerprint| Template::new("shop", fingerprint).unwrap());
        assert_ne!(one.name(), two.name());
        assert_eq!(one.lock_key(), two.lock_key());
        assert_eq!(one.name().len(), "shop_".len() + 16);
    }
}
