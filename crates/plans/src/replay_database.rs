//! The database that statements are replayed on.

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

/// Session settings that make plans repeatable, besides [`SAMPLES`].
const SETTINGS: &str = "SET jit = off; SET max_parallel_workers_per_gather = 0; SET statement_timeout = '600s'; \
     SET lock_timeout = '60s'; SET idle_in_transaction_session_timeout = 0; SET compute_query_id = on; \
     SET plan_cache_mode = auto; SET track_counts = on; SET client_min_messages = error; \
     SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres'; SET extra_float_digits = 1";

/// Maximum number of VACUUMs until a table has no dead rows of a replay.
const VACUUMS: u32 = 20;

/// A session on the database that statements are replayed on.
///
/// The database should be a copy of the one that the program ran on, with the same data and statistics, vacuumed,
/// analysed, with autovacuum off and without other sessions. Replays are rolled back. Tables that a replay wrote to are
/// vacuumed, because index-only scans of later replays would have to check dead rows.
///
/// JIT and parallel workers are off in the session, because with them plans depend on more than the data.
#[derive(Debug)]
pub struct ReplayDatabase {
    pub(crate) client: Client,
    pub(crate) facts: Facts,
    connection: JoinHandle<()>,
}

/// Transaction of a replay, with the rows written before it by table.
#[derive(Debug)]
pub(crate) struct Begun(BTreeMap<String, i64>);

impl ReplayDatabase {
    /// Opens a session on the database at `url`, without TLS. The role must be allowed to vacuum its tables.
    ///
    /// # Errors
    /// Returns [`Error::Database`] if the server cannot be reached or its catalogue cannot be read.
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

    /// Reads the catalogue again after a change of the schema.
    ///
    /// # Errors
    /// Returns [`Error::Database`] if the catalogue cannot be read.
    pub async fn refresh(&mut self) -> Result<(), Error> {
        self.facts = Facts::read(&self.client).await?;
        Ok(())
    }

    /// Returns the session, for changes between replays. Leave no transaction open.
    pub fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) async fn run(&self, sql: &str) -> Result<(), Error> {
        self.client.batch_execute(sql).await.map_err(Error::database(format!("run `{sql}`")))
    }

    /// Begins the transaction of a replay, after `before` and with `settings`.
    pub(crate) async fn begin(&self, before: &str, settings: &str) -> Result<Begun, Error> {
        // A cancelled replay may have left its transaction open.
        self.run(&format!("ROLLBACK; {before}; BEGIN; {settings}")).await?;
        Ok(Begun(foreign_keys::written(&self.client).await?))
    }

    /// Rolls the transaction of a replay back, vacuums the tables that it wrote to, and returns true if there are any.
    /// After a failed statement the counters cannot be read, so nothing is vacuumed.
    pub(crate) async fn roll_back(&self, begun: Begun, failed: bool) -> Result<bool, Error> {
        let written = if failed { BTreeMap::new() } else { foreign_keys::written(&self.client).await? };
        let written = foreign_keys::more(written, &begun.0);
        self.run("ROLLBACK").await?;
        for table in written.keys() {
            self.vacuum(table).await?;
        }
        Ok(!written.is_empty())
    }

    /// Repeats VACUUM, because a session that is just starting anywhere on the server can delay it.
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

    /// Prepares `sql` with the parameter types of `statement`.
    pub(crate) async fn prepare(
        &self,
        sql: &str,
        statement: &CapturedStatement,
    ) -> Result<Statement, tokio_postgres::Error> {
        let types: Vec<_> = statement.types.iter().map(|oid| type_of(self.facts.type_id(*oid))).collect();
        self.client.prepare_typed(sql, &types).await
    }

    /// Executes `prepared`, an EXPLAIN, with the values of `statement`, and returns the plan.
    pub(crate) async fn explained(
        &self,
        prepared: &Statement,
        statement: &CapturedStatement,
    ) -> Result<serde_json::Value, tokio_postgres::Error> {
        let raws = Raw::of(statement);
        let row = self.client.query_one(prepared, &references(&raws)).await?;
        row.try_get(0).map(|Json(value)| value)
    }

    /// Explains EXECUTE of the prepared statement `name` with constants, and returns the plan.
    pub(crate) async fn execute(
        &self,
        name: &str,
        values: &[String],
    ) -> Result<serde_json::Value, tokio_postgres::Error> {
        let values = if values.is_empty() { String::new() } else { format!("({})", values.join(", ")) };
        let row = self.client.query_one(&format!("{EXPLAIN} EXECUTE \"{name}\"{values}"), &[]).await?;
        row.try_get(0).map(|Json(value)| value)
    }

    /// Returns the server's name for the statement that was last prepared with this text.
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

/// Returns a type with this id, which suffices for values that are already encoded. The server infers the type for 0.
pub(crate) fn type_of(oid: u32) -> Type {
    let unknown = || Type::new(String::new(), oid, Kind::Simple, String::new());
    Type::from_oid(oid).unwrap_or_else(unknown)
}
