//! Releases of ICD-10-CM. An import fills the unused slot and then switches all readers to it at once.

mod prepared;
mod slot;
mod vocabulary;

use crate::prelude::*;
use prepared::Prepared;
use slot::Slot;
use std::time::Duration;
use steadfast_domain::terminology::ImportRow;
use steadfast_postgres::Conn;
use steadfast_postgres::diesel::declare_sql_function;
use steadfast_postgres::diesel::dsl::{delete, insert_into, not, select, sql, update};
use steadfast_postgres::diesel::sql_types::{BigInt, Text};
use steadfast_schema::schema::icd10_releases;

/// Imports a release and puts it in use. Reads and writes whole tables, but runs only when a release is published.
pub const IMPORT: Operation<Write> = Operation::write("terminology.import")
    .batch(250, "a statement stores five thousand rows, and indexes are recreated")
    .deadline(Duration::from_secs(900))
    .slow_after(Duration::from_secs(300))
    .reads(Reads::All, "fills whole tables, and compares all codes with those of the previous release");

/// Puts the previous release in use. Reads the table of releases, which has few pages, without an index.
pub const ROLL_BACK: Operation<Write> = Operation::write("terminology.roll_back").statements(7);

/// Key of the advisory lock that serializes imports and rollbacks. Advisory locks are per database.
const LOCK: i64 = 0x0049_4344_3130;

/// Maximum number of rows in the table of releases, including releases that are no longer stored.
const RELEASES_MAX: i64 = 100;

/// Looks up the release in use. Runs every second, so a late answer is useless.
pub const CURRENT: Operation<Read> =
    Operation::read("terminology.current_release").deadline(Duration::from_secs(1));

/// Outcome of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Imported {
    /// The release is in use.
    Switched {
        /// Number of codes of earlier releases that the release lacks. They are retained as inactive codes.
        carried_over: usize,
    },
    /// The release in use has the same rows. Nothing was changed.
    Current,
}

/// A release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Row id, which search results refer to.
    pub id: i64,
    /// Name of the release.
    pub name: String,
    /// Number of codes.
    pub codes: usize,
}

/// Imports `rows` as a release named `name` and puts it in use. Each code must occur once.
///
/// Codes of earlier releases that the release lacks are retained as inactive codes, so that references to them can
/// still be resolved. Readers see the previous release until the import commits. `progress` is called with the number
/// of rows stored; the indexes are created after the last row.
///
/// # Errors
/// Returns [`Error`] if nothing was changed, or [`Error::OutcomeUnknown`] if it is unknown whether the release is in
/// use. Repeating the call is safe.
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
            // Before the first import, the views read the blue slot, which is empty.
            let in_use = current.map_or(Slot::Blue, |current| Slot::named(&current.slot));
            let slot = in_use.other();
            let carried_over = slot.fill(conn, &prepared, &progress).await?;
            let id = record(conn, slot, name, &prepared).await?;
            slot.put_in_use(conn, id).await?;
            Ok(Imported::Switched { carried_over })
        })
        .await
}

/// Puts the previous release in use and returns it, or returns `None` if there is none. Another rollback reverts the
/// first.
///
/// # Errors
/// Returns [`Error`] if nothing was changed, or [`Error::OutcomeUnknown`] if it is unknown which release is in use.
pub async fn roll_back(store: &Store) -> Result<Option<Release>, Error> {
    store
        .write(&ROLL_BACK, async |conn| {
            lock(conn).await?;
            let Some(previous) = previous(conn).await? else { return Ok(None) };
            make_current(conn, previous.id).await?;
            Slot::named(&previous.slot).put_in_use(conn, previous.id).await?;
            let codes = usize::try_from(previous.codes).unwrap_or_default();
            Ok(Some(Release { id: previous.id, name: previous.name, codes }))
        })
        .await
}

async fn lock(conn: &mut Conn) -> QueryResult<()> {
    select(pg_advisory_xact_lock(LOCK)).execute(conn).await.map(drop)
}

#[declare_sql_function]
extern "SQL" {
    fn pg_advisory_xact_lock(key: BigInt);
}

/// A row of the table of releases.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = icd10_releases)]
struct ReleaseRow {
    id: i64,
    slot: String,
    name: String,
    digest: Vec<u8>,
    codes: i32,
}

async fn current(conn: &mut Conn) -> QueryResult<Option<ReleaseRow>> {
    let current = icd10_releases::table.filter(icd10_releases::is_current);
    current.select(ReleaseRow::as_select()).get_result(conn).await.optional()
}

async fn previous(conn: &mut Conn) -> QueryResult<Option<ReleaseRow>> {
    let stored = icd10_releases::table.filter(icd10_releases::is_stored);
    let previous = stored.filter(not(icd10_releases::is_current));
    previous.select(ReleaseRow::as_select()).get_result(conn).await.optional()
}

/// Records that `slot` contains this release and that it is the current one. Returns its id.
async fn record(conn: &mut Conn, slot: Slot, name: &str, prepared: &Prepared<'_>) -> QueryResult<i64> {
    let overwritten = icd10_releases::table.filter(icd10_releases::slot.eq(slot.schema()));
    let overwritten = update(overwritten.filter(icd10_releases::is_stored));
    overwritten.set(icd10_releases::is_stored.eq(false)).execute(conn).await?;
    let insert = insert_into(icd10_releases::table).values((
        icd10_releases::slot.eq(slot.schema()),
        icd10_releases::name.eq(name),
        icd10_releases::digest.eq(&*prepared.digest),
        icd10_releases::codes.eq(i32::try_from(prepared.rows.len()).unwrap_or(i32::MAX)),
    ));
    let id = insert.returning(icd10_releases::id).get_result(conn).await?;
    make_current(conn, id).await?;
    let old = icd10_releases::table.filter(not(icd10_releases::is_stored));
    delete(old.filter(icd10_releases::id.le(id - RELEASES_MAX))).execute(conn).await?;
    Ok(id)
}

async fn make_current(conn: &mut Conn, id: i64) -> QueryResult<()> {
    // In two statements, because a unique index allows only one current release.
    let former = update(icd10_releases::table.filter(icd10_releases::is_current));
    former.set(icd10_releases::is_current.eq(false)).execute(conn).await?;
    update(icd10_releases::table.find(id)).set(icd10_releases::is_current.eq(true)).execute(conn).await?;
    Ok(())
}

/// Identity of the release in use, for caches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InUse {
    /// Identifier of the switch to this release. Unique even if the same release is put in use again.
    pub version: String,
    /// Number of codes.
    pub codes: usize,
}

/// Returns the release in use, or `None` before the first import. Reads one page without an index and does not wait for
/// a running import.
///
/// # Errors
/// Returns [`Error`] if the database fails.
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
