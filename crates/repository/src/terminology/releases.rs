//! Releases of ICD-10-CM: imported whole into the slot that nobody reads, then shown to all readers at once.

mod prepared;
mod slot;
mod vocabulary;

use crate::{Error, Store};
use prepared::Prepared;
use slot::Slot;
use std::time::Duration;
use steadfast_domain::terminology::ImportRow;
use steadfast_postgres::diesel::sql_types::{BigInt, Binary, Integer, Text};
use steadfast_postgres::diesel::{self, dsl::sql, prelude::*, sql_query};
use steadfast_postgres::diesel_async::RunQueryDsl;
use steadfast_postgres::{Conn, Operation, Read, Reads, Write, cached};
use steadfast_schema::schema::icd10_releases;

/// Imports a release and shows it. Reads and writes whole tables: it runs when a release comes out.
pub const IMPORT: Operation<Write> = Operation::write("terminology.import")
    .batch(250, "one statement stores five thousand rows, and indexes are made anew")
    .deadline(Duration::from_secs(900))
    .slow_after(Duration::from_secs(300))
    .reads(Reads::All, "fills whole tables, and compares all codes with those of the release before");

/// Shows the former release again. The page that the releases stand on is read without an index.
pub const ROLL_BACK: Operation<Write> = Operation::write("terminology.roll_back").statements(7);

/// Keeps imports and rollbacks apart. Advisory locks are per database.
const LOCK: i64 = 0x0049_4344_3130;

/// Number of releases that the list names, those included that are no longer stored.
const REMEMBERED: i64 = 100;

/// Looks up the release in use. Asked every second, so a late answer is useless.
pub const CURRENT: Operation<Read> =
    Operation::read("terminology.current_release").deadline(Duration::from_secs(1));

/// What an import did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Imported {
    /// The release is in use.
    Switched {
        /// Codes of former releases that it lacks; they stay, inactive.
        carried_over: usize,
    },
    /// The release in use has the very same rows; nothing was done.
    Current,
}

/// A release that readers see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Its id, which finds of a search carry.
    pub id: i64,
    /// What it is called.
    pub name: String,
    /// How many codes it has.
    pub codes: usize,
}

/// Makes `rows`, each code once, the release in use under the name `name`. Codes of former releases that are not among
/// them are kept, inactive, so that what refers to them still has a term. Until the end readers see the release before;
/// then all see this one. `progress` learns how many rows are stored; the last step, the indexes, comes after them.
///
/// # Errors
/// [`Error`]; then nothing was changed, except that after [`Error::OutcomeUnknown`] nobody knows. Repeating is safe.
pub async fn import(
    store: &Store,
    name: &str,
    rows: &[ImportRow],
    progress: impl Fn(usize) + Send + Sync,
) -> Result<Imported, Error> {
    let prepared = Prepared::new(rows);
    store
        .write(&IMPORT, async |conn| {
            lock(conn).await?;
            let current = current(conn).await?;
            if current.as_ref().is_some_and(|current| current.digest == prepared.digest) {
                return Ok(Imported::Current);
            }
            // Before the first import the views show the blue slot, which is empty.
            let in_use = current.map_or(Slot::Blue, |current| Slot::named(&current.slot));
            let slot = in_use.other();
            let carried_over = slot.fill(conn, &prepared, &progress).await?;
            let id = record(conn, slot, name, &prepared).await?;
            slot.show(conn, id).await?;
            Ok(Imported::Switched { carried_over })
        })
        .await
}

/// Shows the release again that was in use before the present one, and gives it; `None` when there is none. Doing it again
/// goes forward again.
///
/// # Errors
/// [`Error`]; then nothing was changed, except that after [`Error::OutcomeUnknown`] nobody knows.
pub async fn roll_back(store: &Store) -> Result<Option<Release>, Error> {
    store
        .write(&ROLL_BACK, async |conn| {
            lock(conn).await?;
            let Some(former) = former(conn).await? else { return Ok(None) };
            make_current(conn, former.id).await?;
            Slot::named(&former.slot).show(conn, former.id).await?;
            let codes = usize::try_from(former.codes).unwrap_or_default();
            Ok(Some(Release { id: former.id, name: former.name, codes }))
        })
        .await
}

async fn lock(conn: &mut Conn) -> QueryResult<usize> {
    let lock = sql_query("SELECT FROM pg_advisory_xact_lock($1)").bind::<BigInt, _>(LOCK);
    cached(lock).execute(conn).await
}

/// One row of the list of releases.
#[derive(Debug, QueryableByName)]
struct ReleaseRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    slot: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Binary)]
    digest: Vec<u8>,
    #[diesel(sql_type = Integer)]
    codes: i32,
}

async fn current(conn: &mut Conn) -> QueryResult<Option<ReleaseRow>> {
    let sql = "SELECT id, slot, name, digest, codes FROM icd10_releases WHERE is_current";
    cached(sql_query(sql)).get_result(conn).await.optional()
}

async fn former(conn: &mut Conn) -> QueryResult<Option<ReleaseRow>> {
    let sql = "SELECT id, slot, name, digest, codes FROM icd10_releases WHERE is_stored AND NOT is_current";
    cached(sql_query(sql)).get_result(conn).await.optional()
}

/// Notes that `slot` now holds this release and no other, and that it is the current one; gives its id.
async fn record(conn: &mut Conn, slot: Slot, name: &str, prepared: &Prepared<'_>) -> QueryResult<i64> {
    let overwritten = sql_query("UPDATE icd10_releases SET is_stored = false WHERE slot = $1 AND is_stored");
    cached(overwritten.bind::<Text, _>(slot.schema())).execute(conn).await?;
    let insert = sql_query(
        "INSERT INTO icd10_releases (slot, name, digest, codes) VALUES ($1, $2, $3, $4) \
        RETURNING id, slot, name, digest, codes",
    );
    let insert = insert
        .bind::<Text, _>(slot.schema())
        .bind::<Text, _>(name)
        .bind::<Binary, _>(&prepared.digest)
        .bind::<Integer, _>(i32::try_from(prepared.rows.len()).unwrap_or(i32::MAX));
    let row: ReleaseRow = cached(insert).get_result(conn).await?;
    make_current(conn, row.id).await?;
    let forget = sql_query("DELETE FROM icd10_releases WHERE NOT is_stored AND id <= $1 - $2");
    let forget = forget.bind::<BigInt, _>(row.id).bind::<BigInt, _>(REMEMBERED);
    cached(forget).execute(conn).await?;
    Ok(row.id)
}

async fn make_current(conn: &mut Conn, id: i64) -> QueryResult<()> {
    // In two steps: there must be one current release at most at every moment.
    cached(sql_query("UPDATE icd10_releases SET is_current = false WHERE is_current")).execute(conn).await?;
    let update = sql_query("UPDATE icd10_releases SET is_current = true WHERE id = $1");
    cached(update.bind::<BigInt, _>(id)).execute(conn).await?;
    Ok(())
}

/// The release in use, as caches identify it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InUse {
    /// Identifies the switch to this release. It differs from all earlier ones, also if the same release is put in use
    /// again.
    pub version: String,
    /// Number of codes.
    pub codes: usize,
}

/// Returns the release in use, or `None` before the first import. Reads one page without an index and does not wait for an
/// import.
///
/// # Errors
/// Returns [`Error`] if the database does not answer.
pub async fn current_release(store: &Store) -> Result<Option<InUse>, Error> {
    // Every import and rollback changes the row, so the transaction that wrote it identifies the switch.
    let switched_by = sql::<Text>("xmin::text");
    let row: Option<(i64, String, i32)> = store
        .read(&CURRENT, async |conn| {
            let current = icd10_releases::table.filter(icd10_releases::is_current);
            let columns = (icd10_releases::id, switched_by.clone(), icd10_releases::codes);
            current.select(columns).get_result(conn).await.optional()
        })
        .await?;
    Ok(row.map(|(id, switched_by, codes)| InUse {
        version: format!("{id}.{switched_by}"),
        codes: usize::try_from(codes).unwrap_or_default(),
    }))
}
