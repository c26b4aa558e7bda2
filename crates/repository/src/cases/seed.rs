//! Seeding: deterministic, skewed data in every table, in a database that is marked for it.

use super::bulk;
use crate::{audit, identity, keys, terminology};
use bytes::BytesMut;
use steadfast_postgres::tokio_postgres::{self, Client, NoTls};

/// How a database says that it may be seeded.
const MARK: &str = "steadfast.seedable";

/// Why a database was not seeded. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// It may hold somebody's data.
    #[error(
        "the database {database} is not marked as seedable: seeding replaces all that is in it. If that is meant, run \
         `ALTER DATABASE {database} SET {MARK} = 'on'` and try again"
    )]
    NotSeedable {
        /// Its name.
        database: String,
    },
    /// The server refused, or was lost.
    #[error("seeding failed: {}", said(.0))]
    Database(#[from] tokio_postgres::Error),
    /// A release of the terminology could not be imported.
    #[error("seeding the terminology failed: {0}")]
    Import(#[from] crate::Error),
}

/// What the server said itself.
fn said(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string)
}

/// A table to fill.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static str,
    /// Of every thousand rows of the largest table, how many this one has.
    pub(crate) per_mille: u64,
    /// Maximum number of rows, for a table that does not grow with the others.
    pub(crate) at_most: u64,
    pub(crate) rows: Rows,
}

/// Source of the rows of a table.
#[derive(Clone, Copy)]
pub(crate) enum Rows {
    /// A function that writes the row of a number, from 0, in COPY's text form with its line end.
    Copied(fn(u64, &mut BytesMut)),
    /// A query, in which `$count` stands for the number of rows.
    Selected(&'static str),
}

impl Table {
    fn count(&self, rows: u64) -> u64 {
        (rows * self.per_mille / 1000).clamp(1, self.at_most)
    }
}

/// Allows the database of `client` to be seeded, for sessions that begin from now on.
///
/// # Errors
/// The server's.
pub async fn mark_seedable(client: &Client) -> Result<(), tokio_postgres::Error> {
    let name: String = client.query_one("SELECT quote_ident(current_database())", &[]).await?.get(0);
    client.batch_execute(&format!("ALTER DATABASE {name} SET {MARK} = 'on'")).await
}

/// Replaces what is in the migrated database at `url` by `rows` rows in the largest table and fitting numbers in the
/// others: the same ones each time. All of it in one transaction, so that a seed that is cut off changes nothing; then the
/// tables are vacuumed and analysed. `progress` learns the table, the rows done and all rows of it.
///
/// # Errors
/// [`SeedError`].
pub async fn seed(
    url: &str,
    rows: u64,
    mut progress: impl FnMut(&'static str, u64, u64),
) -> Result<(), SeedError> {
    let (mut client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let connection = tokio::spawn(connection);
    let row =
        client.query_one("SELECT current_database()::text, current_setting($1, true)", &[&MARK]).await?;
    if row.get::<_, Option<&str>>(1) != Some("on") {
        return Err(SeedError::NotSeedable { database: row.get(0) });
    }
    // A server that does not wait for its log leaves pages that are not known as visible to all, and plans that lie.
    client.batch_execute("SET synchronous_commit = on; SET default_statistics_target = 100").await?;
    let transaction = client.transaction().await?;
    let tables: Vec<&Table> =
        [keys::seed::TABLES, identity::seed::TABLES, audit::seed::TABLES, terminology::seed::TABLES]
            .into_iter()
            .flatten()
            .collect();
    for table in &tables {
        let (name, count) = (table.name, table.count(rows));
        bulk::fill(&transaction, table, count, |done| progress(name, done, count)).await?;
        advance_identity(&transaction, name).await?;
    }
    transaction.commit().await?;
    client.batch_execute("VACUUM (FREEZE, ANALYZE)").await?;
    drop(client);
    _ = connection.await;
    Ok(())
}

/// The next id comes after those that were given.
async fn advance_identity(
    transaction: &tokio_postgres::Transaction<'_>,
    table: &str,
) -> Result<(), tokio_postgres::Error> {
    let sequence = "SELECT pg_get_serial_sequence($1, attname), quote_ident(attname) FROM pg_attribute \
         WHERE attrelid = $1::text::regclass AND attidentity <> ''";
    for row in transaction.query(sequence, &[&table]).await? {
        let (sequence, column): (String, String) = (row.get(0), row.get(1));
        let set = format!("SELECT setval('{sequence}', (SELECT max({column}) FROM {table}))");
        transaction.batch_execute(&set).await?;
    }
    Ok(())
}

/// A number that looks random and is always the same for `number` and `salt`: Steele, Lea and Flood's SplitMix64.
pub(crate) fn mixed(number: u64, salt: u64) -> u64 {
    let mut z =
        number.wrapping_add(salt.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
