//! What the tests of every area share: a migrated database of their own, and a meter on what reaches the server.

use anyhow::Result;
use steadfast_postgres::tokio_postgres::{Client, NoTls, connect};
use steadfast_repository::Store;
use steadfast_testkit::TestDatabase;

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
        Ok(Self { store: Store::connect(&database.url())?, database })
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
        let mine = "dbid = (SELECT oid FROM pg_database WHERE datname = current_database())";
        let reset =
            "SELECT pg_stat_statements_reset(0, oid, 0) FROM pg_database WHERE datname = current_database()";
        self.0.execute(reset, &[]).await?;
        let value = work.await;
        let sql = format!(
            "SELECT coalesce(sum(calls) FILTER (WHERE NOT utility), 0)::bigint, \
                    coalesce(sum(calls) FILTER (WHERE utility), 0)::bigint, \
                    coalesce(sum(shared_blks_hit + shared_blks_read) FILTER (WHERE NOT utility), 0)::bigint \
             FROM (SELECT *, query ~* '^(begin|commit|rollback|set|start)' AS utility FROM pg_stat_statements \
                   WHERE {mine} AND query NOT LIKE '%pg_stat_statements%') seen"
        );
        let row = self.0.query_one(&sql, &[]).await?;
        Ok((value, Reading { statements: row.get(0), utility: row.get(1), buffers: row.get(2) }))
    }
}
