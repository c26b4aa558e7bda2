//! A lost answer to COMMIT with a retry policy that retries everything.

#[path = "support/cut_proxy.rs"]
mod cut_proxy;

use anyhow::{Context, Result, ensure};
use cut_proxy::{Afterwards, Cut, CutProxy, Direction, End};
use std::time::Duration;
use steadfast_postgres::diesel::{QueryResult, sql_query};
use steadfast_postgres::diesel_async::RunQueryDsl;
use steadfast_postgres::resilience::{Backoff, Retry};
use steadfast_postgres::tokio_postgres::{Config, NoTls, connect};
use steadfast_postgres::{Conn, Db, DbSettings, Error, Operation, PoolSettings, Write, cached};
use steadfast_testkit::TestDatabase;

const PLANT: Operation<Write> = Operation::write("trees.plant");

/// Adds a row, so that a retry is visible.
async fn plant(conn: &mut Conn) -> QueryResult<usize> {
    cached(sql_query("INSERT INTO trees DEFAULT VALUES")).execute(conn).await
}

#[tokio::test]
async fn lost_commit_is_never_retried() -> Result<()> {
    let database = TestDatabase::empty().await?;
    let (looker, connection) = connect(&database.url(), NoTls).await?;
    tokio::spawn(connection);
    looker.batch_execute("CREATE TABLE trees (id serial PRIMARY KEY)").await?;
    let server: Config = database.url().parse()?;
    let proxy = CutProxy::before(*server.get_ports().first().context("a port")?, Afterwards::Pass).await?;
    let user = server.get_user().unwrap_or("postgres");
    let url = format!("postgres://{user}@127.0.0.1:{}/{}", proxy.port, database.name());
    let retry = Retry::new(3, Backoff::exponential(Duration::ZERO, Duration::ZERO)).on(|_| true);
    let settings = DbSettings { pool: PoolSettings::sized(1, 0), retry, ..DbSettings::default() };
    let db = Db::new(&url, settings)?;

    db.write(&PLANT, plant).await?;
    proxy.watch();
    db.write(&PLANT, plant).await?;
    let [_, answers] = proxy.watched();
    let commit = answers.windows(7).position(|text| text == b"COMMIT\0").context("no COMMIT was answered")?;
    // The tag and length of the answer precede its text; one byte of the text arrives.
    proxy.arm(Cut { direction: Direction::ToClient, bytes: commit - 4, end: End::Closed });
    let outcome = db.write(&PLANT, plant).await;
    ensure!(matches!(outcome, Err(Error::CommitUnknown)), "{outcome:?}");
    ensure!(proxy.has_cut());
    let rows: i64 = looker.query_one("SELECT count(*) FROM trees", &[]).await?.get(0);
    ensure!(rows == 3, "{rows} rows after three writes");
    Ok(())
}
