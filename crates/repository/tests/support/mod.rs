//! What the tests of every area share: a migrated database of their own, and a meter on what reaches the server.

use anyhow::Result;
use steadfast_postgres::tokio_postgres::{Client, NoTls, connect};
use steadfast_repository::Store;
use steadfast_testkit::{APPLICATION_ROLE, TestDatabase};

/// A migrated database and the store in it. The database goes with this value.
pub(crate) struct Fixture {
    pub(crate) store: Store,
    pub(crate) database: TestDatabase,
}

impl Fixture {
    /// A database of the test's own.
    pub(crate) async fn new() -> Result<Self> {
        let migrate = async |url: &str| steadfast_schema::migrate(url).await.map(|_| ());
        let database =
            TestDatabase::from_template("steadfast", steadfast_schema::fingerprint(), migrate).await?;
        let (client, connection) = connect(&database.url(), NoTls).await?;
        let ended = tokio::spawn(connection);
        // The meter counts BEGIN and COMMIT too; elsewhere they only fill the statistics.
        let count_utility = format!(
            "ALTER ROLE {APPLICATION_ROLE} IN DATABASE {} SET pg_stat_statements.track_utility = on",
            database.name()
        );
        client.batch_execute(&count_utility).await?;
        drop(client);
        ended.await??;
        Ok(Self { store: Store::connect(&database.application_url())?, database })
    }

    /// A session beside the store, for setting up and looking.
    pub(crate) async fn client(&self) -> Result<Client> {
        let (client, connection) = connect(&self.database.url(), NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// A meter on this database.
    pub(crate) async fn meter(&self) -> Result<Meter> {
        let client = self.client().await?;
        client.batch_execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements").await?;
        Ok(Meter(client))
    }
}

/// Counts what the server did for everybody else in this database.
pub(crate) struct Meter(Client);

/// What the server did between two readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Statements besides BEGIN, COMMIT, SET.
    pub(crate) statements: i64,
    /// BEGIN, COMMIT, SET.
    pub(crate) utility: i64,
    /// Buffers that the statements touched.
    pub(crate) buffers: i64,
}

impl Meter {
    /// What the server did while `work` ran.
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

    /// What the server did for the store so far. The statistics are never reset: they tell afterwards what was run.
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
