//! Deletion of old rows in batches.

use crate::prelude::*;
use steadfast_postgres::diesel::sql_types::{BigInt, Timestamptz};

/// Maximum number of rows that one call deletes.
const BATCH: i64 = 500;

/// Deletes up to 500 rows of the table whose time in the column is before `time`, the oldest first, and returns how
/// many. Skips those that another transaction holds. An index on the column serves it.
pub(crate) async fn delete_before(
    store: &Store,
    operation: &'static Operation<Write>,
    (table, column): (&'static str, &'static str),
    time: DateTime<Utc>,
) -> Result<usize, Error> {
    // SQL, because the DSL has no DELETE with a limit.
    let delete = format!(
        "DELETE FROM {table} WHERE ctid = ANY (ARRAY( \
            SELECT ctid FROM {table} WHERE {column} < $1 ORDER BY {column} LIMIT $2 FOR UPDATE SKIP LOCKED))"
    );
    store
        .write(operation, async |conn| {
            sql_query(&delete).bind::<Timestamptz, _>(time).bind::<BigInt, _>(BATCH).execute(conn).await
        })
        .await
}
