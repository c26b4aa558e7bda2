//! Servers that answer and say no: too many connections, read only.

use anyhow::Result;
use std::time::{Duration, Instant};
use steadfast_postgres::diesel::{QueryResult, sql_query};
use steadfast_postgres::diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use steadfast_postgres::resilience::{BreakerState, Class, Classify};
use steadfast_postgres::tokio_postgres::{Client, NoTls, connect};
use steadfast_postgres::{CloseReason, Conn, Db, DbSettings, Operation, PoolSettings, Read, Write, cached};
use steadfast_testkit::{Server, ServerOptions};
use tokio::task::spawn_blocking;

const READ: Operation<Read> = Operation::read("meadow.look");
const WRITE: Operation<Write> = Operation::write("meadow.sow");

async fn look(conn: &mut Conn) -> QueryResult<usize> {
    cached(sql_query("SELECT 1")).execute(conn).await
}

async fn client(url: &str) -> Result<Client> {
    let (client, connection) = connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

#[tokio::test]
async fn too_many_connections_is_an_overload_told_at_once_and_over_when_one_is_free() -> Result<()> {
    let options = ServerOptions::private()
        .setting("max_connections", "8")
        .setting("superuser_reserved_connections", "0")
        .setting("max_wal_senders", "0");
    let server = spawn_blocking(|| Server::start(options)).await??;
    let url = server.url("postgres");
    let mut others = Vec::new();
    while let Ok(other) = client(&url).await {
        others.push(other);
    }
    let db = Db::new(&url, DbSettings { pool: PoolSettings::sized(4, 0), ..DbSettings::default() })?;
    for _ in 0..10 {
        let began = Instant::now();
        let error = db.read(&READ, look).await.expect_err("no connection is free");
        assert!(began.elapsed() < Duration::from_millis(100), "told after {:?}", began.elapsed());
        assert_eq!(error.class(), Class::Overload, "{error}");
        assert!(error.to_string().ends_with("too many clients already (SQLSTATE 53300)"), "{error}");
    }
    assert_eq!(db.health().breaker.state, BreakerState::Closed, "a server that answers is not away");
    drop(others);
    let free = Instant::now();
    while db.read(&READ, look).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(free.elapsed() < Duration::from_millis(500), "served after {:?}", free.elapsed());
    Ok(())
}

#[tokio::test]
async fn a_server_that_became_read_only_is_unavailable_and_its_sessions_are_retired() -> Result<()> {
    let server = spawn_blocking(Server::private).await??;
    let url = server.url("postgres");
    let admin = client(&url).await?;
    admin.batch_execute("CREATE TABLE seeds (id int8)").await?;
    admin.batch_execute("ALTER SYSTEM SET default_transaction_read_only = on").await?;
    let db = Db::new(&url, DbSettings { pool: PoolSettings::sized(2, 0), ..DbSettings::default() })?;
    let sow = || async |conn: &mut Conn| conn.batch_execute("INSERT INTO seeds VALUES (1)").await;
    db.write(&WRITE, sow()).await?;
    admin.batch_execute("SELECT pg_reload_conf()").await?;
    let error = loop {
        match db.write(&WRITE, sow()).await {
            Ok(()) => tokio::task::yield_now().await,
            Err(error) => break error,
        }
    };
    assert_eq!(error.class(), Class::Unavailable, "{error}");
    assert_eq!(error.sqlstate().expect("a code").as_str(), "25006");
    let state = db.health().pool;
    assert_eq!(
        (state.open, state.closed_for(CloseReason::Broken)),
        (0, 1),
        "its address may lead elsewhere now"
    );
    db.read(&READ, look).await?;
    Ok(())
}
