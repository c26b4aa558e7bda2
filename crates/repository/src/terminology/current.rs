//! Which release readers see, asked for again and again: what is kept of its codes is named by it.

use crate::{Error, Store};
use std::time::Duration;
use steadfast_postgres::diesel::sql_types::{BigInt, Integer, Text};
use steadfast_postgres::diesel::{self, OptionalExtension, QueryableByName, sql_query};
use steadfast_postgres::diesel_async::RunQueryDsl;
use steadfast_postgres::{Operation, Read, cached};

/// Looks which release is in use. Asked every second, so an answer that takes longer is of no use.
pub const CURRENT: Operation<Read> =
    Operation::read("terminology.current_release").deadline(Duration::from_secs(1));

/// The row changes with every import and rollback, in their transaction, so the one that changed it last tells each time
/// that a release was put in use from every other.
const SQL: &str = "SELECT id, xmin::text AS switched_by, codes FROM icd10_releases WHERE is_current";

/// The release that readers see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InUse {
    /// Differs whenever a release is put in use, the same one again included.
    pub version: String,
    /// How many codes it has.
    pub codes: usize,
}

/// The release in use; `None` before the first import. One row of a single page, read without an index. Waits for no import.
///
/// # Errors
/// [`Error`].
pub async fn current_release(store: &Store) -> Result<Option<InUse>, Error> {
    let row: Option<InUseRow> =
        store.read(&CURRENT, async |conn| cached(sql_query(SQL)).get_result(conn).await.optional()).await?;
    Ok(row.map(InUseRow::parse))
}

#[derive(Debug, QueryableByName)]
struct InUseRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    switched_by: String,
    #[diesel(sql_type = Integer)]
    codes: i32,
}

impl InUseRow {
    fn parse(self) -> InUse {
        let Self { id, switched_by, codes } = self;
        let codes = usize::try_from(codes).unwrap_or_default();
        InUse { version: format!("{id}.{switched_by}"), codes }
    }
}
