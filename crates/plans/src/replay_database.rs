//! The database that statements are replayed on: a clone that nobody else touches, seen through one session.

use crate::Error;
use crate::facts::Facts;
use crate::foreign_keys;
use crate::freeze::SAMPLES;
use crate::raw::{Json, Raw};
use crate::replay::EXPLAIN;
use std::collections::BTreeMap;
use steadfast_postgres::CapturedStatement;
use steadfast_postgres::tokio_postgres::{
    self, Client, NoTls, Statement,
    types::{Kind, ToSql, Type},
};
use tokio::task::JoinHandle;

/// What makes plans repeatable, besides [`SAMPLES`]: no jit, no parallel workers, limits of time that only a lost cause
/// reaches, ids for statements, fixed forms of values.
const SETTINGS: &str = "SET jit = off; SET max_parallel_workers_per_gather = 0; SET statement_timeout = '600s'; \
     SET lock_timeout = '60s'; SET idle_in_transaction_session_timeout = 0; SET compute_query_id = on; \
     SET plan_cache_mode = auto; SET track_counts = on; SET client_min_messages = error; \
     SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres'; SET extra_float_digits = 1";

/// How often a table is vacuumed until it has no traces of a replay.
const VACUUMS: u32 = 20;

/// A session on the database that statements are replayed on.
///
/// It should be a clone of the one that the program ran on, with the same data and statistics, and nobody else should
/// use it: vacuumed, analysed, autovacuum off. Whatever is replayed is rolled back, so it stays as it is; tables that a
/// replay wrote to are vacuumed afterwards, or index-only scans of the next one would meet the traces.
///
/// jit and parallel workers are off in its session, since both make plans depend on more than the data.
#[derive(Debug)]
pub struct ReplayDatabase {
    pub(crate) client: Client,
    pub(crate) facts: Facts,
    connection: JoinHandle<()>,
}

/// The transaction of a replay, with the rows that had been written before it, by table.
#[derive(Debug)]
pub(crate) struct Begun(BTreeMap<String, i64>);

impl ReplayDatabase {
    /// Opens a session on the database at `url`, without TLS, as a role that may vacuum its tables.
    ///
    /// # Errors
    /// [`Error::Database`] when it cannot be reached, or its catalogue not be read.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        let opened = tokio_postgres::connect(url, NoTls).await;
        let (client, connection) = opened.map_err(Error::database("reach the database for replays"))?;
        let connection = tokio::spawn(async move { _ = connection.await });
        for settings in [SETTINGS, SAMPLES] {
            client.batch_execute(settings).await.map_err(Error::database("prepare the session"))?;
        }
        let facts = Facts::read(&client).await?;
        Ok(Self { client, facts, connection })
    }

    /// Reads sizes, indexes and partitions again, after the schema has changed.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn refresh(&mut self) -> Result<(), Error> {
        self.facts = Facts::read(&self.client).await?;
        Ok(())
    }

    /// The session, to change the database between replays. A transaction must not be left open.
    pub fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) async fn run(&self, sql: &str) -> Result<(), Error> {
        self.client.batch_execute(sql).await.map_err(Error::database(format!("run `{sql}`")))
    }

    /// Begins the transaction of a replay, after `before` and with `settings`.
    pub(crate) async fn begin(&self, before: &str, settings: &str) -> Result<Begun, Error> {
        // One whose caller left in the middle may still be open.
        self.run(&format!("ROLLBACK; {before}; BEGIN; {settings}")).await?;
        Ok(Begun(foreign_keys::written(&self.client).await?))
    }

    /// Ends the transaction of a replay, and removes its traces from the tables that it wrote to. Whether it wrote. After
    /// a failed statement the server no longer says what was written, so the traces stay.
    pub(crate) async fn roll_back(&self, begun: Begun, failed: bool) -> Result<bool, Error> {
        let written = if failed { BTreeMap::new() } else { foreign_keys::written(&self.client).await? };
        let written = foreign_keys::more(written, &begun.0);
        self.run("ROLLBACK").await?;
        for table in written.keys() {
            self.vacuum(table).await?;
        }
        Ok(!written.is_empty())
    }

    /// A session that anybody begins anywhere on the server can hold up a vacuum for a moment, so it is tried again.
    async fn vacuum(&self, table: &str) -> Result<(), Error> {
        let clean = "SELECT relallvisible >= relpages FROM pg_class WHERE oid = $1::text::regclass";
        for _ in 0..VACUUMS {
            self.run(&format!("VACUUM (FREEZE, INDEX_CLEANUP ON) {table}")).await?;
            let row = self.client.query_one(clean, &[&table]).await;
            if row.map_err(Error::database("look for traces of a replay"))?.get(0) {
                break;
            }
        }
        Ok(())
    }

    /// `sql` prepared with the types that `statement` was prepared with.
    pub(crate) async fn prepare(
        &self,
        sql: &str,
        statement: &CapturedStatement,
    ) -> Result<Statement, tokio_postgres::Error> {
        let types: Vec<_> = statement.types.iter().map(|oid| type_of(self.facts.type_id(*oid))).collect();
        self.client.prepare_typed(sql, &types).await
    }

    /// The plan of `prepared`, an EXPLAIN, run with the values of `statement`.
    pub(crate) async fn explained(
        &self,
        prepared: &Statement,
        statement: &CapturedStatement,
    ) -> Result<serde_json::Value, tokio_postgres::Error> {
        let raws = Raw::of(statement);
        let row = self.client.query_one(prepared, &references(&raws)).await?;
        row.try_get(0).map(|Json(value)| value)
    }

    /// The plan of the prepared statement that the server knows by `name`, run with `values`, which are constants.
    pub(crate) async fn execute(
        &self,
        name: &str,
        values: &[String],
    ) -> Result<serde_json::Value, tokio_postgres::Error> {
        let values = if values.is_empty() { String::new() } else { format!("({})", values.join(", ")) };
        let row = self.client.query_one(&format!("{EXPLAIN} EXECUTE \"{name}\"{values}"), &[]).await?;
        row.try_get(0).map(|Json(value)| value)
    }

    /// The server's name for the statement that was prepared last by this text.
    pub(crate) async fn prepared_name(&self, sql: &str) -> Result<String, tokio_postgres::Error> {
        let query = "SELECT name FROM pg_prepared_statements WHERE statement = $1 \
             ORDER BY prepare_time DESC, name DESC LIMIT 1";
        self.client.query_one(query, &[&sql]).await?.try_get(0)
    }
}

impl Drop for ReplayDatabase {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

pub(crate) fn references<'a>(raws: &'a [Raw<'a>]) -> Vec<&'a (dyn ToSql + Sync)> {
    raws.iter().map(|raw| raw as &(dyn ToSql + Sync)).collect()
}

/// A type by its id alone: the bytes are encoded already, so nothing else is asked of it. 0 is inferred by the server.
pub(crate) fn type_of(oid: u32) -> Type {
    let unknown = || Type::new(String::new(), oid, Kind::Simple, String::new());
    Type::from_oid(oid).unwrap_or_else(unknown)
}
