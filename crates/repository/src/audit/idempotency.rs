//! Creations that have no further effect when their request is repeated.
//!
//! The answer to a request is stored in the transaction of its effect. So both exist or neither does, whenever the
//! server is killed, and no record has to say that a request is still running.

use super::entries::{self, Entry, json, record};
use crate::expiry::delete_before;
use crate::prelude::*;
use serde::Serialize;
use serde_json::value::RawValue;
use steadfast_domain::audit::Origin;
use steadfast_domain::audit::idempotency::Repeatable;
use steadfast_postgres::diesel::sql_types::{Array, Binary, Bool, Nullable, Text};
use steadfast_postgres::{Abort, Conn, UnitOfWork};

/// Deletes expired records, in batches.
pub const EXPIRE_IDEMPOTENCY_RECORDS: Operation<Write> =
    Operation::write("audit.expire_idempotency_records").served_by(&["idempotency_records_expires_at"]);

/// Outcome of a creation.
#[derive(Clone, Debug)]
pub struct Created {
    /// Id of the resource.
    pub id: String,
    /// JSON of the resource when it was created.
    pub body: Box<RawValue>,
    /// True if an earlier request with the same idempotency key created it.
    pub is_repeated: bool,
}

/// Runs `work`, which creates a `resource` and returns it with its id, unless the request of `origin` repeats one that
/// has created it. Adds the creation to the audit trail. Takes one statement more, and two if the request has an
/// idempotency key; their index is `idempotency_records_pkey`.
///
/// # Errors
/// Returns [`Error::KeyReused`] if the key belongs to another request, [`Error::InProgress`] if the first request is
/// still running, and the errors of `work`. Nothing was stored then, except after [`Error::OutcomeUnknown`].
pub(crate) async fn create<T, F>(
    store: &Store,
    operation: &'static Operation<Write>,
    origin: &Origin,
    resource: &'static str,
    work: F,
) -> Result<Created, Error>
where
    F: UnitOfWork<(String, T), Abort<Error>>,
    T: Serialize + Send,
{
    store
        .try_write(operation, async |conn| {
            if let Some(repeatable) = &origin.repeatable
                && let Some(earlier) = earlier(conn, origin, repeatable).await?
            {
                return Ok(earlier);
            }
            let (id, created) = work(conn).await?;
            let entry = Entry { action: "create", resource, id, old: None, new: json(Some(&created))? };
            match &origin.repeatable {
                Some(repeatable) => keep(conn, operation.name(), origin, repeatable, &entry).await?,
                None => record(conn, origin, &entry).await?,
            }
            let body = entry.new.unwrap_or_default();
            Ok(Created { id: entry.id, body, is_repeated: false })
        })
        .await
}

/// Result of the look-up: whether this request is the first with its key, and the record if there is one.
#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Bool)]
    is_first: bool,
    /// Hash in hexadecimal digits, id and body.
    #[diesel(sql_type = Nullable<Array<Text>>)]
    stored: Option<Vec<String>>,
}

/// Returns what an earlier request with the key created, if there was one.
async fn earlier(
    conn: &mut Conn,
    origin: &Origin,
    repeatable: &Repeatable,
) -> Result<Option<Created>, Abort<Error>> {
    // SQL, because the lock is taken in the same statement, whether there is a record or not.
    let look_up = sql_query(
        "SELECT pg_try_advisory_xact_lock(hashtextextended($1 || ' ' || $2, 0)) AS is_first, \
             (SELECT CASE WHEN expires_at > now() THEN ARRAY[encode(request_hash, 'hex'), resource_id, body] END \
              FROM idempotency_records WHERE principal = $1 AND key = $2) AS stored",
    );
    let look_up = look_up.bind::<Text, _>(origin.principal.to_string());
    let found: Found = look_up.bind::<Text, _>(repeatable.key.as_str()).get_result(conn).await?;
    let Some(stored) = found.stored else {
        return if found.is_first { Ok(None) } else { Err(Error::InProgress)? };
    };
    let [hash, id, body] = <[String; 3]>::try_from(stored).map_err(|_| invalid("idempotency_records"))?;
    if hash != repeatable.hash.to_string() {
        return Err(Error::KeyReused)?;
    }
    let body = RawValue::from_string(body).map_err(|_| invalid("idempotency_records.body"))?;
    Ok(Some(Created { id, body, is_repeated: true }))
}

/// Adds `entry` to the audit trail and stores what the request created, in the place of an expired record.
async fn keep(
    conn: &mut Conn,
    operation: &'static str,
    origin: &Origin,
    repeatable: &Repeatable,
    entry: &Entry,
) -> Result<(), Abort<Error>> {
    // SQL, because the DSL has no data-modifying CTEs.
    let (columns, values) = (entries::COLUMNS, entries::VALUES);
    let insert = format!(
        "WITH kept AS (INSERT INTO idempotency_records AS stored \
            (principal, key, route, request_hash, resource_id, body) VALUES ($12, $13, $14, $15, $7, $9) \
            ON CONFLICT (principal, key) DO UPDATE SET route = excluded.route, \
                request_hash = excluded.request_hash, resource_id = excluded.resource_id, \
                body = excluded.body, created_at = excluded.created_at, expires_at = excluded.expires_at \
            WHERE stored.expires_at <= now() RETURNING 1) \
         INSERT INTO audit_log ({columns}) SELECT {values} FROM kept"
    );
    let insert = entries::bind(insert, origin, entry)
        .bind::<Text, _>(origin.principal.to_string())
        .bind::<Text, _>(repeatable.key.as_str())
        .bind::<Text, _>(operation)
        .bind::<Binary, _>(repeatable.hash.as_bytes());
    let kept = cached(insert).execute(conn).await?;
    // The first request committed between the snapshot of the look-up and its lock.
    if kept == 0 { Err(Error::InProgress)? } else { Ok(()) }
}

/// Deletes up to 500 records that expired before `time` and returns how many. Skips those that another call is deleting.
///
/// # Errors
/// Returns [`Error`] if the database does not answer.
pub async fn expire_idempotency_records(store: &Store, time: DateTime<Utc>) -> Result<usize, Error> {
    delete_before(store, &EXPIRE_IDEMPOTENCY_RECORDS, ("idempotency_records", "expires_at"), time).await
}
