//! The ways to read one row, each with as many connections as tasks.

use anyhow::Result;
use bb8::Pool as Bb8;
use diesel::prelude::*;
use diesel_async::pooled_connection::AsyncDieselConnectionManager;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use futures_util::future::BoxFuture;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::sync::Arc;
use std::time::Duration;
use steadfast_postgres::{Db, DbSettings, Operation, PoolSettings, Read};
use tokio::sync::Mutex;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

diesel::table! {
    accounts (aid) { aid -> Int4, balance -> Int4, }
}

const BALANCE: Operation<Read> = Operation::read("accounts.balance").served_by(&["accounts_pkey"]);

/// What is asked of every contestant.
#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) url: String,
    pub(crate) rows: i32,
    pub(crate) connections: u32,
}

/// A way to read one row by its key.
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    pub(crate) load: Load,
    pub(crate) read: Arc<dyn Fn(usize, i32) -> BoxFuture<'static, Result<i32>> + Send + Sync>,
}

/// Logs and metrics as a service has them: JSON lines to a file, a recorder for metrics.
pub(crate) fn observe() -> Result<impl Sized> {
    use tracing_subscriber::layer::SubscriberExt;
    let path = std::env::temp_dir().join(format!("steadfast-bench-{}.log", std::process::id()));
    let (writer, guard) = tracing_appender::non_blocking(std::fs::File::create(path)?);
    let level = tracing_subscriber::filter::LevelFilter::INFO;
    let subscriber =
        tracing_subscriber::registry().with(level).with(steadfast_telemetry::JsonLayer::new(writer));
    tracing::subscriber::set_global_default(subscriber)?;
    let metrics = metrics_exporter_prometheus::PrometheusBuilder::new()
        .set_buckets(&steadfast_postgres::OPERATION_SECONDS)?
        .install_recorder()?;
    // What an exporter does beside its answers: samples do not pile up.
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_secs(1));
            metrics.run_upkeep();
        }
    });
    Ok(guard)
}

/// A table of `rows` rows.
pub(crate) async fn fill(url: &str, rows: i32) -> Result<()> {
    let mut conn = AsyncPgConnection::establish(url).await?;
    let sql = format!(
        "CREATE TABLE accounts (aid int PRIMARY KEY, balance int NOT NULL, filler char(84) NOT NULL DEFAULT ''); \
         INSERT INTO accounts SELECT n, n % 1000 FROM generate_series(1, {rows}) n; VACUUM ANALYZE accounts"
    );
    for statement in sql.split(';') {
        conn.batch_execute(statement).await?;
    }
    Ok(())
}

impl Contestant {
    fn new<F, Fut>(name: &'static str, load: &Load, read: F) -> Self
    where
        F: Fn(usize, i32) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<i32>> + Send + 'static,
    {
        Self { name, load: load.clone(), read: Arc::new(move |task, key| Box::pin(read(task, key))) }
    }

    /// Plain diesel-async: every task holds a connection of its own.
    pub(crate) async fn plain(load: &Load) -> Result<Self> {
        let mut held = Vec::new();
        for _ in 0..load.connections {
            held.push(Arc::new(Mutex::new(AsyncPgConnection::establish(&load.url).await?)));
        }
        Ok(Self::new("plain", load, move |task, key| {
            let conn = held[task].clone();
            async move {
                // Never contended: each task has its own.
                let mut conn = conn.lock().await;
                Ok(accounts::table.find(key).select(accounts::balance).first(&mut *conn).await?)
            }
        }))
    }

    /// The whole stack: breaker, fair pool, guard, deadlines, spans, metrics.
    pub(crate) async fn stack(load: &Load) -> Result<Self> {
        let settings = DbSettings { pool: PoolSettings::sized(load.connections, 0), ..DbSettings::default() };
        let db = Db::new(&load.url, settings)?;
        Ok(Self::new("stack", load, move |_, key| {
            let db = db.clone();
            async move {
                let read = db.read(&BALANCE, async |conn| {
                    accounts::table.find(key).select(accounts::balance).first(conn).await
                });
                Ok(read.await?)
            }
        }))
    }
}

/// Allocations of one operation of each, warm, alone on the machine's allocator.
pub(crate) async fn allocations(plain: &Contestant, stack: &Contestant) -> Result<(f64, f64)> {
    const OPERATIONS: usize = 2_000;
    let mut counted = Vec::new();
    for contestant in [plain, stack] {
        (contestant.read)(0, 1).await?;
        let region = Region::new(ALLOCATOR);
        for key in 1..=OPERATIONS {
            (contestant.read)(0, key as i32).await?;
        }
        counted.push(region.change().allocations as f64 / OPERATIONS as f64);
    }
    Ok((counted[0], counted[1]))
}

/// Other pools with as many connections.
pub(crate) async fn peers(load: &Load) -> Result<Vec<Contestant>> {
    Ok(vec![bb8_with_ping(load).await?, deadpool(load).await?, sqlx(load).await?])
}

async fn bb8_with_ping(load: &Load) -> Result<Contestant> {
    let manager = AsyncDieselConnectionManager::<AsyncPgConnection>::new(&load.url);
    let pool = Bb8::builder().max_size(load.connections).build(manager).await?;
    Ok(Contestant::new("diesel-async + bb8, ping", load, move |_, key| {
        let pool = pool.clone();
        async move {
            let mut conn = pool.get().await?;
            Ok(accounts::table.find(key).select(accounts::balance).first(&mut conn).await?)
        }
    }))
}

async fn deadpool(load: &Load) -> Result<Contestant> {
    let manager = deadpool_postgres::Manager::new(load.url.parse()?, tokio_postgres::NoTls);
    let pool = deadpool_postgres::Pool::builder(manager).max_size(load.connections as usize).build()?;
    Ok(Contestant::new("deadpool-postgres", load, move |_, key| {
        let pool = pool.clone();
        async move {
            let client = pool.get().await?;
            let statement = client.prepare_cached("SELECT balance FROM accounts WHERE aid = $1").await?;
            Ok(client.query_one(&statement, &[&key]).await?.get(0))
        }
    }))
}

async fn sqlx(load: &Load) -> Result<Contestant> {
    let pool =
        sqlx::postgres::PgPoolOptions::new().max_connections(load.connections).connect(&load.url).await?;
    Ok(Contestant::new("sqlx, its defaults", load, move |_, key| {
        let pool = pool.clone();
        async move {
            let row: (i32,) = sqlx::query_as("SELECT balance FROM accounts WHERE aid = $1")
                .bind(key)
                .fetch_one(&pool)
                .await?;
            Ok(row.0)
        }
    }))
}
