//! Servers that refuse: too many connections, or read-only.

#[path = "support/proxy.rs"]
mod proxy;

use anyhow::{Context, Result, ensure};
use futures_util::future::{join_all, ready, try_join_all};
use proxy::proxy;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use steadfast_postgres::diesel::{QueryResult, sql_query};
use steadfast_postgres::diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use steadfast_postgres::resilience::{BreakerState, Class, Classify};
use steadfast_postgres::tokio_postgres::{Client, NoTls, connect};
use steadfast_postgres::{
    CloseReason, Conn, Db, DbSettings, Error, Operation, PoolSettings, Read, Write, cached,
};
use steadfast_testkit::{Server, ServerOptions, StopMode};
use tokio::task::spawn_blocking;

const READ: Operation<Read> = Operation::read("meadow.look");
const WRITE: Operation<Write> = Operation::write("meadow.sow");
const HURRIED: Operation<Read> = Operation::read("meadow.glance").deadline(Duration::from_millis(300));

async fn look(conn: &mut Conn) -> QueryResult<usize> {
    cached(sql_query("SELECT 1")).execute(conn).await
}

async fn blink(conn: &mut Conn) -> QueryResult<()> {
    conn.batch_execute("SELECT pg_sleep(0.01)").await
}

/// Takes long enough for several calls to overlap.
async fn nap(conn: &mut Conn) -> QueryResult<()> {
    conn.batch_execute("SELECT pg_sleep(0.3)").await
}

async fn slumber(conn: &mut Conn) -> QueryResult<()> {
    conn.batch_execute("SELECT pg_sleep(5)").await
}

async fn client(url: &str) -> Result<Client> {
    let (client, connection) = connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Starts a server that accepts eight connections.
async fn server_for_eight() -> Result<Server> {
    let options = ServerOptions::private()
        .setting("max_connections", "8")
        .setting("superuser_reserved_connections", "0")
        .setting("max_wal_senders", "0");
    Ok(spawn_blocking(|| Server::start(options)).await??)
}

#[tokio::test]
async fn too_many_connections_is_overload() -> Result<()> {
    let server = server_for_eight().await?;
    let url = server.url("postgres");
    let mut others = Vec::new();
    while let Ok(other) = client(&url).await {
        others.push(other);
    }
    let db = Db::new(&url, DbSettings { pool: PoolSettings::sized(4, 0), ..DbSettings::default() })?;
    for _ in 0..10 {
        let began = Instant::now();
        let error = db.read(&READ, look).await.expect_err("no connection is free");
        assert!(began.elapsed() < Duration::from_millis(100), "failed after {:?}", began.elapsed());
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
async fn read_only_server_is_unavailable() -> Result<()> {
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

/// A server with eight connections: a pool of five has opened four of them, and clients occupy the rest.
struct Crowded {
    db: Db,
    server: Server,
    _others: Vec<Client>,
}

impl Crowded {
    /// Creates a pool that connects to `url`, which leads to `server`.
    async fn new(server: Server, url: String) -> Result<Self> {
        let db = Db::new(&url, DbSettings { pool: PoolSettings::sized(5, 0), ..DbSettings::default() })?;
        while db.health().pool.opened < 4 {
            let sleeps = (0..4).map(|_| db.read(&READ, nap));
            try_join_all(sleeps).await?;
        }
        let mut others = Vec::new();
        while let Ok(other) = client(&server.url("postgres")).await {
            others.push(other);
        }
        Ok(Self { db, server, _others: others })
    }
}

#[tokio::test]
async fn refused_connect_is_no_outage() -> Result<()> {
    let server = server_for_eight().await?;
    let url = server.url("postgres");
    let crowded = Crowded::new(server, url).await?;
    for round in 0..50 {
        let reads = (0..5).map(|_| crowded.db.read(&READ, blink));
        let looks = async {
            for _ in 0..10 {
                let health = crowded.db.health();
                ensure!(health.is_connected(), "round {round}: {health:?}");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Ok(())
        };
        let (reads, looks) = tokio::join!(join_all(reads), looks);
        looks?;
        for outcome in reads {
            outcome?;
        }
    }
    assert_eq!(crowded.db.health().pool.opened, 4, "the server had room for no more");
    Ok(())
}

#[tokio::test]
async fn refused_borrower_fails_at_deadline_with_cause() -> Result<()> {
    let server = server_for_eight().await?;
    let url = server.url("postgres");
    let crowded = Crowded::new(server, url).await?;
    let held = (0..4).map(|_| crowded.db.read(&READ, slumber));
    let hurried = async {
        while crowded.db.health().pool.checked_out < 4 {
            tokio::task::yield_now().await;
        }
        crowded.db.read(&HURRIED, look).await
    };
    let (held, hurried) = tokio::join!(join_all(held), hurried);
    for outcome in held {
        outcome?;
    }
    let error = hurried.expect_err("no connection was returned");
    assert!(matches!(error, Error::PoolTimeout { .. }), "{error:?}");
    assert!(error.to_string().contains("too many clients already (SQLSTATE 53300)"), "{error}");
    assert!(crowded.db.health().is_connected());
    assert_eq!(crowded.db.health().breaker.state, BreakerState::Closed);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_pool_probes_five_times_per_second() -> Result<()> {
    let connects = Arc::<Mutex<Vec<Instant>>>::default();
    let count = connects.clone();
    let counted = move || {
        count.lock().expect("not poisoned").push(Instant::now());
        ready(())
    };
    let server = server_for_eight().await?;
    let url = proxy(&server.url("postgres"), counted).await?;
    let crowded = Crowded::new(server, url).await?;
    let from = Instant::now();
    let readers = (0..20).map(|_| async {
        while from.elapsed() < Duration::from_secs(3) {
            crowded.db.read(&READ, look).await?;
        }
        anyhow::Ok(())
    });
    try_join_all(readers).await?;
    let connects = connects.lock().expect("not poisoned").clone();
    let within_a_second = |begin: &Instant| {
        let end = *begin + Duration::from_secs(1);
        connects.iter().filter(|connect| (*begin..end).contains(connect)).count()
    };
    let most = connects.iter().filter(|connect| **connect >= from).map(within_a_second).max();
    // One connect is that of the caller that was refused first, the others are the prober's.
    assert!(most <= Some(6), "{most:?} connects within a second");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn losing_last_session_fails_waiting_callers() -> Result<()> {
    let server = server_for_eight().await?;
    let url = server.url("postgres");
    let crowded = Crowded::new(server, url).await?;
    let sleepers = (0..4).map(|_| crowded.db.read(&READ, slumber));
    let waiter = async {
        while crowded.db.health().pool.checked_out < 4 {
            tokio::task::yield_now().await;
        }
        crowded.db.read(&READ, look).await
    };
    let loss = async {
        while crowded
            .db
            .health()
            .pool
            .impairment
            .is_none_or(|(lasted, _)| lasted < Duration::from_millis(500))
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let lost = Instant::now();
        tokio::task::block_in_place(|| crowded.server.stop(StopMode::Immediate))?;
        while crowded.db.health().is_connected() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let (lasted, cause) = crowded.db.health().pool.outage.context("an outage")?;
        ensure!(lasted <= lost.elapsed(), "{cause} for {lasted:?}: the impairment before it was none");
        Ok(())
    };
    let (slept, waited, loss) = tokio::join!(join_all(sleepers), waiter, loss);
    loss?;
    assert!(slept.iter().all(Result::is_err), "{slept:?}");
    let error = waited.expect_err("the server is gone");
    assert!(matches!(error, Error::Connect(_)), "{error:?}");
    Ok(())
}
