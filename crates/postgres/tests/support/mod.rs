//! Shared fixture: a small table in a separate database, and a session outside of the pool.

use anyhow::Result;
use steadfast_postgres::diesel::query_builder::SqlQuery;
use steadfast_postgres::diesel::sql_query;
use steadfast_postgres::tokio_postgres::{Client, NoTls, connect};
use steadfast_postgres::{Cached, Db, DbSettings, PoolSettings, cached};
use steadfast_testkit::TestDatabase;

/// A database with a table of trees.
pub(crate) struct Forest {
    pub(crate) db: Db,
    pub(crate) looker: Client,
    _database: TestDatabase,
}

impl Forest {
    /// Creates a forest with a pool of 4.
    pub(crate) async fn new() -> Result<Self> {
        Self::with(|_| {}).await
    }

    /// Creates a forest with a pool of 4 and settings changed by `change`.
    pub(crate) async fn with(change: impl FnOnce(&mut DbSettings)) -> Result<Self> {
        let plant = async |url: &str| -> Result<()> {
            client(url)
                .await?
                .batch_execute("CREATE TABLE trees (id int8 PRIMARY KEY, height_cm int4)")
                .await?;
            Ok(())
        };
        let database = TestDatabase::from_template("forest", 1, plant).await?;
        let pool = PoolSettings { pool_size: 4, max_overflow: 0, ..PoolSettings::default() };
        let mut settings = DbSettings { pool, ..DbSettings::default() };
        change(&mut settings);
        let (db, looker) = (Db::new(&database.url(), settings)?, client(&database.url()).await?);
        Ok(Self { db, looker, _database: database })
    }

    /// Returns the ids of the stored trees.
    pub(crate) async fn trees(&self) -> Result<Vec<i64>> {
        let rows = self.looker.query("SELECT id FROM trees ORDER BY id", &[]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }
}

async fn client(url: &str) -> Result<Client> {
    let (client, connection) = connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Inserts a tree.
pub(crate) fn insert(id: i64) -> Cached<SqlQuery> {
    cached(sql_query(format!("INSERT INTO trees (id, height_cm) VALUES ({id}, 100)")))
}
