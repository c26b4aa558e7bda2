//! Entries of the audit trail: written in the transaction of their effect, and listed.

mod list;

pub use list::{ENTRIES, entries};

use crate::prelude::*;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use steadfast_domain::audit::Origin;
use steadfast_domain::identity::Principal;
use steadfast_postgres::diesel::pg::Pg;
use steadfast_postgres::diesel::query_builder::{BoxedSqlQuery, SqlQuery};
use steadfast_postgres::diesel::sql_types::{BigInt, Text};
use steadfast_postgres::{Abort, Conn, UnitOfWork};

/// Description of an effect.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Kind of effect, such as `update`.
    pub(crate) action: &'static str,
    /// Kind of resource, such as `client`.
    pub(crate) resource: &'static str,
    /// Id of the resource.
    pub(crate) id: String,
    /// JSON of the resource before the effect.
    pub(crate) old: Option<Box<RawValue>>,
    /// JSON of the resource after the effect.
    pub(crate) new: Option<Box<RawValue>>,
}

/// Outcome of a change.
#[derive(Clone, Debug)]
pub(crate) enum Change<T> {
    /// The resource was changed.
    Updated { id: String, old: T, new: T },
    /// The resource was deleted.
    Deleted { id: String, old: T },
    /// The resource was in the wanted state already.
    Unneeded(T),
}

impl<T> Change<T> {
    /// Returns the change of the resource `id` from `old` to the row that an UPDATE of the expected version returned.
    ///
    /// # Errors
    /// Returns [`Error::VersionMismatch`] if the UPDATE found no row, and the error of the statement.
    pub(crate) fn updated<R: Parse<T>>(
        id: impl ToString,
        old: T,
        row: QueryResult<R>,
    ) -> Result<Self, Abort<Error>> {
        let new = row.optional()?.ok_or(Error::VersionMismatch)?.parse("a row")?;
        Ok(Self::Updated { id: id.to_string(), old, new })
    }
}

/// Columns that [`bind`] binds to the parameters `$1` to `$11`.
pub(super) const COLUMNS: &str = "correlation_id, user_id, session_id, api_key_id, action, resource_type, resource_id, \
     old_values, new_values, ip_address, user_agent";

/// Values of [`COLUMNS`]. Absent ones are bound as 0 or an empty text instead of NULL, so that one case of an operation
/// proves the statement for all callers.
pub(super) const VALUES: &str = "$1, NULLIF($2, 0), NULLIF($3, 0), NULLIF($4, 0), $5, $6, $7, \
     CAST(NULLIF($8, '') AS jsonb), CAST(NULLIF($9, '') AS jsonb), CAST(NULLIF($10, '') AS inet), NULLIF($11, '')";

/// Binds the first eleven parameters of a statement that inserts an entry.
pub(super) fn bind<'a>(sql: String, origin: &'a Origin, entry: &'a Entry) -> BoxedSqlQuery<'a, Pg, SqlQuery> {
    let (user, session, api_key) = match origin.principal {
        Principal::ApiKey(id) => (0, 0, id),
        Principal::User { id, session } => (id, session, 0),
        Principal::Operator | Principal::Anonymous => (0, 0, 0),
    };
    sql_query(sql)
        .into_boxed()
        .bind::<Text, _>(&origin.correlation_id)
        .bind::<BigInt, _>(user)
        .bind::<BigInt, _>(session)
        .bind::<BigInt, _>(api_key)
        .bind::<Text, _>(entry.action)
        .bind::<Text, _>(entry.resource)
        .bind::<Text, _>(&entry.id)
        .bind::<Text, _>(entry.old.as_deref().map_or("", RawValue::get))
        .bind::<Text, _>(entry.new.as_deref().map_or("", RawValue::get))
        .bind::<Text, _>(origin.address.map_or_else(String::new, |address| address.to_string()))
        .bind::<Text, _>(origin.user_agent.as_deref().unwrap_or_default())
}

/// Adds `entry` to the trail.
pub(crate) async fn record(conn: &mut Conn, origin: &Origin, entry: &Entry) -> Result<(), Abort<Error>> {
    // SQL, because the DSL has no types for the values as text.
    let insert = format!("INSERT INTO audit_log ({COLUMNS}) VALUES ({VALUES})");
    cached(bind(insert, origin, entry)).execute(conn).await?;
    Ok(())
}

/// Runs `work`, which changes a `resource`, and adds the change to the trail: one statement more. Returns the resource
/// after the change, or before its deletion.
///
/// # Errors
/// Returns the errors of `work`; nothing was stored then, except after [`Error::OutcomeUnknown`].
pub(crate) async fn change<T, F>(
    store: &Store,
    operation: &'static Operation<Write>,
    origin: &Origin,
    (action, resource): (&'static str, &'static str),
    work: F,
) -> Result<T, Error>
where
    F: UnitOfWork<Change<T>, Abort<Error>>,
    T: Serialize + Send,
{
    store
        .try_write(operation, async |conn| {
            let (id, old, new) = match work(conn).await? {
                Change::Updated { id, old, new } => (id, old, Some(new)),
                Change::Deleted { id, old } => (id, old, None),
                Change::Unneeded(resource) => return Ok(resource),
            };
            let entry = Entry { action, resource, id, old: json(Some(&old))?, new: json(new.as_ref())? };
            record(conn, origin, &entry).await?;
            Ok(new.unwrap_or(old))
        })
        .await
}

/// Runs `work`, which reads the `resource` with `id`, and adds the read to the trail: one statement more.
///
/// # Errors
/// Returns the errors of `work`, and [`Error::Unavailable`] if it is unknown whether the read was recorded.
pub(crate) async fn read<T, F>(
    store: &Store,
    operation: &'static Operation<Write>,
    origin: &Origin,
    (resource, id): (&'static str, String),
    work: F,
) -> Result<T, Error>
where
    F: UnitOfWork<T, Abort<Error>>,
    T: Send,
{
    let entry = Entry { action: "read", resource, id, old: None, new: None };
    let read = store.try_write(operation, async |conn| {
        let found = work(conn).await?;
        record(conn, origin, &entry).await?;
        Ok(found)
    });
    read.await.map_err(|error| match error {
        // The caller asked for no change and can repeat the request.
        Error::OutcomeUnknown => Error::Unavailable { cause: error.to_string(), retry_after: None },
        error => error,
    })
}

/// Returns the JSON of a resource.
pub(super) fn json(resource: Option<&impl Serialize>) -> Result<Option<Box<RawValue>>, Error> {
    let json = resource.map(to_raw_value).transpose();
    json.map_err(|error| Error::Query { cause: error.to_string() })
}
