//! Units of work through a real PgBouncer in session and transaction mode.

#[path = "support/pgbouncer.rs"]
mod pgbouncer;

use anyhow::{Result, ensure};
use futures_util::future::try_join_all;
use pgbouncer::PgBouncer;
use std::time::{Duration, Instant};
use steadfast_postgres::diesel::sql_types::BigInt;
use steadfast_postgres::diesel::{QueryableByName, sql_query};
use steadfast_postgres::diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use steadfast_postgres::tokio_postgres::{Client, Config, NoTls};
use steadfast_postgres::{Conn, Db, DbSettings, Operation, PoolSettings, Read, Write, cached};
use steadfast_testkit::TestDatabase;

const GROW: Operation<Write> = Operation::write("trees.grow").statements(3);
const LOOK: Operation<Read> = Operation::read("trees.look");
const COMPARE: Operation<Read> = Operation::read("trees.compare").snapshot().statements(2);

#[derive(QueryableByName)]
struct Height {
    #[diesel(sql_type = BigInt)]
    height: i64,
}

async fn height(conn: &mut Conn) -> diesel::QueryResult<i64> {
    let query = cached(sql_query("SELECT height FROM trees WHERE id = $1").bind::<BigInt, _>(1));
    Ok(query.get_result::<Height>(conn).await?.height)
}

/// A database with one tree, and a pool of six connections through PgBouncer.
struct Bouncer {
    db: Db,
    looker: Client,
    bouncer: PgBouncer,
    _database: TestDatabase,
}

impl Bouncer {
    async fn new(settings: &str, is_transaction: bool) -> Result<Self> {
        let database = TestDatabase::empty().await?;
        let server: Config = database.url().parse()?;
        let (port, name) = (server.get_ports()[0], server.get_dbname().unwrap_or_default());
        let (looker, connection) = server.connect(NoTls).await?;
        tokio::spawn(connection);
        looker
            .batch_execute(
                "CREATE TABLE trees (id int8 PRIMARY KEY, height int8); INSERT INTO trees VALUES (1, 0)",
            )
            .await?;
        let bouncer = PgBouncer::before(port, settings)?;
        let mut pool = PoolSettings::sized(6, 0);
        pool.session.pgbouncer_transaction = is_transaction;
        let url = format!("postgres://postgres@127.0.0.1:{}/{name}", bouncer.port);
        let db = Db::new(&url, DbSettings { pool, ..DbSettings::default() })?;
        Ok(Self { db, looker, bouncer, _database: database })
    }

    /// Checks that twelve concurrent callers can write, read and compare. No write is lost and no prepared statement is
    /// unknown.
    async fn works(&self) -> Result<()> {
        let caller = async || {
            for _ in 0..20 {
                self.db
                    .write(&GROW, async |conn| {
                        let grow = "UPDATE trees SET height = height + 1 WHERE id = $1";
                        cached(sql_query(grow).bind::<BigInt, _>(1)).execute(conn).await?;
                        conn.savepoint(async |conn| conn.batch_execute("SELECT 1 / 0").await)
                            .await
                            .unwrap_or(());
                        Ok(())
                    })
                    .await?;
                self.db.read(&LOOK, height).await?;
                let (one, other) = self
                    .db
                    .read(&COMPARE, async |conn| Ok((height(conn).await?, height(conn).await?)))
                    .await?;
                ensure!(one == other, "one snapshot: {one}, {other}");
            }
            Ok(())
        };
        try_join_all((0..12).map(|_| caller())).await?;
        ensure!(self.db.read(&LOOK, height).await? == 240, "every write is there: {}", self.bouncer.log());
        Ok(())
    }

    /// Checks that the statement of a cancelled caller is cancelled on the server.
    async fn cancels(&self) -> Result<()> {
        let sleep = self.db.read(&LOOK, async |conn| sql_query("SELECT pg_sleep(600)").execute(conn).await);
        ensure!(tokio::time::timeout(Duration::from_millis(500), sleep).await.is_err(), "it sleeps");
        let began = Instant::now();
        let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                        AND state = 'active' AND query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()";
        while self.looker.query_one(sleeping, &[]).await?.get::<_, i64>(0) > 0 {
            ensure!(began.elapsed() < Duration::from_secs(10), "it still sleeps: {}", self.bouncer.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }
}

#[tokio::test]
async fn transaction_mode_runs_every_unit_of_work() -> Result<()> {
    let bouncer = Bouncer::new("pool_mode = transaction\ndefault_pool_size = 3", true).await?;
    bouncer.works().await?;
    bouncer.cancels().await
}

#[tokio::test]
async fn session_mode_runs_every_unit_of_work() -> Result<()> {
    // In session mode each client occupies a server session, so the pool must fit.
    let settings = "pool_mode = session\ndefault_pool_size = 8\nignore_startup_parameters = options";
    let bouncer = Bouncer::new(settings, false).await?;
    bouncer.works().await?;
    bouncer.cancels().await
}
