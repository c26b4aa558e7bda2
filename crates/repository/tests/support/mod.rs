//! Support for the tests of all areas: a migrated database per test, and a meter of statements.

use anyhow::Result;
use steadfast_postgres::tokio_postgres::{Client, NoTls, connect};
use steadfast_repository::Store;
use steadfast_testkit::{APPLICATION_ROLE, TestDatabase};

/// A migrated database and a store that uses it. The database is dropped with this value.
pub(crate) struct Fixture {
    pub(crate) store: Store,
    pub(crate) database: TestDatabase,
}

impl Fixture {
    /// Creates a database for a test.
    pub(crate) async fn new() -> Result<Self> {
        let migrate = async |url: &str| steadfast_schema::migrate(url).await.map(|_| ());
        let database =
            TestDatabase::from_template("steadfast", steadfast_schema::fingerprint(), migrate).await?;
        let (client, connection) = connect(&database.url(), NoTls).await?;
        let ended = tokio::spawn(connection);
        // The meter counts BEGIN and COMMIT, too.
        let count_utility = format!(
            "ALTER ROLE {APPLICATION_ROLE} IN DATABASE {} SET pg_stat_statements.track_utility = on",
            database.name()
        );
        client.batch_execute(&count_utility).await?;
        drop(client);
        ended.await??;
        Ok(Self { store: Store::connect(&database.application_url())?, database })
    }

    /// Opens a session for set-up and inspection.
    pub(crate) async fn client(&self) -> Result<Client> {
        let (client, connection) = connect(&self.database.url(), NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// Creates a meter for this database.
    pub(crate) async fn meter(&self) -> Result<Meter> {
        let client = self.client().await?;
        client.batch_execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements").await?;
        Ok(Meter(client))
    }
}

/// Counts the statements of the store in this database.
pub(crate) struct Meter(Client);

/// Activity of the store during a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Number of statements, without utility statements.
    pub(crate) statements: i64,
    /// Number of utility statements: BEGIN, COMMIT, SET.
    pub(crate) utility: i64,
    /// Number of buffers that the statements accessed.
    pub(crate) buffers: i64,
}

impl Meter {
    /// Measures the activity of the store while `work` runs.
    pub(crate) async fn read<T>(&self, work: impl Future<Output = T>) -> Result<(T, Reading)> {
        let before = self.total().await?;
        let value = work.await;
        let after = self.total().await?;
        let reading = Reading {
            statements: after.statements - before.statements,
            utility: after.utility - before.utility,
            buffers: after.buffers - before.buffers,
        };
        Ok((value, reading))
    }

    /// Returns the activity of the store so far. The statistics are never reset, so that they show all statements
    /// afterwards.
    async fn total(&self) -> Result<Reading> {
        let sql = format!(
            "SELECT coalesce(sum(calls) FILTER (WHERE NOT utility), 0)::bigint, \
                    coalesce(sum(calls) FILTER (WHERE utility), 0)::bigint, \
                    coalesce(sum(shared_blks_hit + shared_blks_read) FILTER (WHERE NOT utility), 0)::bigint \
             FROM (SELECT *, query ~* '^(begin|commit|rollback|set|start)' AS utility FROM pg_stat_statements \
                   WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) \
                   AND userid = '{APPLICATION_ROLE}'::regrole) seen"
        );
        let row = self.0.query_one(&sql, &[]).await?;
        Ok(Reading { statements: row.get(0), utility: row.get(1), buffers: row.get(2) })
    }
}
