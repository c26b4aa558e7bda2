//! Seeding of a marked database with deterministic, skewed data.

use super::bulk;
use crate::{audit, identity, keys, practice, terminology};
use bytes::BytesMut;
use steadfast_postgres::tokio_postgres::{self, Client, NoTls};

/// Setting that allows a database to be seeded.
const MARK: &str = "steadfast.seedable";

/// Failure to seed a database. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The database is not marked as seedable.
    #[error(
        "the database {database} is not marked as seedable, and seeding replaces all of its data. To allow this, run \
         `ALTER DATABASE {database} SET {MARK} = 'on'` and try again"
    )]
    NotSeedable {
        /// Name of the database.
        database: String,
    },
    /// The server reported an error, or the connection was lost.
    #[error("seeding failed: {}", server_message(.0))]
    Database(#[from] tokio_postgres::Error),
    /// A release of the terminology could not be imported.
    #[error("seeding the terminology failed: {0}")]
    Import(#[from] crate::Error),
}

/// Returns the error message of the server, if there is one.
fn server_message(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string)
}

/// A table to seed.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static str,
    /// Number of rows per thousand rows of the largest table.
    pub(crate) per_mille: u64,
    /// Maximum number of rows, for a table that does not grow with the others.
    pub(crate) at_most: u64,
    pub(crate) rows: Rows,
}

/// Source of the rows of a table.
#[derive(Clone, Copy)]
pub(crate) enum Rows {
    /// Function that writes the row with a number, from 0, in COPY's text format, including the line end.
    Copied(fn(u64, &mut BytesMut)),
    /// Query in which `$count` is replaced by the number of rows.
    Selected(&'static str),
}

impl Table {
    fn count(&self, rows: u64) -> u64 {
        (rows * self.per_mille / 1000).clamp(1, self.at_most)
    }
}

/// Marks the database of `client` as seedable. The mark applies to new sessions.
///
/// # Errors
/// Returns the server's error.
pub async fn mark_seedable(client: &Client) -> Result<(), tokio_postgres::Error> {
    let name: String = client.query_one("SELECT quote_ident(current_database())", &[]).await?.get(0);
    client.batch_execute(&format!("ALTER DATABASE {name} SET {MARK} = 'on'")).await
}

/// Replaces the data of the migrated database at `url` by `rows` rows in the largest table and proportional numbers in
/// the others. The same `rows` always gives the same data.
///
/// Runs in one transaction, so that an interrupted seed changes nothing, and then vacuums and analyzes the tables.
/// `progress` is called with the table, the number of rows written so far and the total of the table.
///
/// # Errors
/// Returns [`SeedError`] if the database is not marked as seedable or a statement fails.
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
    // With asynchronous commit, VACUUM could not mark the pages as all-visible, which changes the plans.
    client.batch_execute("SET synchronous_commit = on; SET default_statistics_target = 100").await?;
    let transaction = client.transaction().await?;
    let areas = [
        keys::seed::TABLES,
        identity::seed::TABLES,
        audit::seed::TABLES,
        practice::seed::TABLES,
        terminology::seed::TABLES,
    ];
    let tables: Vec<&Table> = areas.into_iter().flatten().collect();
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

/// Advances the sequences of a table's columns beyond the seeded ids.
async fn advance_identity(
    transaction: &tokio_postgres::Transaction<'_>,
    table: &str,
) -> Result<(), tokio_postgres::Error> {
    let sequence = "SELECT pg_get_serial_sequence($1, attname), quote_ident(attname) FROM pg_attribute \
         WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped \
         AND pg_get_serial_sequence($1, attname) IS NOT NULL";
    for row in transaction.query(sequence, &[&table]).await? {
        let (sequence, column): (String, String) = (row.get(0), row.get(1));
        let set = format!("SELECT setval('{sequence}', (SELECT max({column}) FROM {table}))");
        transaction.batch_execute(&set).await?;
    }
    Ok(())
}

/// Returns a pseudorandom number that depends only on `number` and `salt` (SplitMix64 by Steele, Lea and Flood).
pub(crate) fn mixed(number: u64, salt: u64) -> u64 {
    let mut z =
        number.wrapping_add(salt.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
