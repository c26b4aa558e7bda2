//! Entries of the audit trail, written in the transaction of their effect.

use crate::prelude::*;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use steadfast_domain::audit::Origin;
use steadfast_domain::identity::Principal;
use steadfast_postgres::diesel::pg::Pg;
use steadfast_postgres::diesel::query_builder::{BoxedSqlQuery, SqlQuery};
use steadfast_postgres::diesel::sql_types::{BigInt, Nullable, Text};
use steadfast_postgres::{Abort, Conn, UnitOfWork};

/// What an entry says about an effect.
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
    /// The resource was in the wanted state already.
    Unneeded(T),
}

/// Columns that [`bind`] binds to the parameters `$1` to `$11`.
pub(super) const COLUMNS: &str = "correlation_id, user_id, session_id, api_key_id, action, resource_type, resource_id, \
     old_values, new_values, ip_address, user_agent";

/// Values of [`COLUMNS`].
pub(super) const VALUES: &str =
    "$1, $2, $3, $4, $5, $6, $7, CAST($8 AS jsonb), CAST($9 AS jsonb), CAST($10 AS inet), $11";

/// Binds the first eleven parameters of a statement that inserts an entry.
pub(super) fn bind<'a>(sql: String, origin: &'a Origin, entry: &'a Entry) -> BoxedSqlQuery<'a, Pg, SqlQuery> {
    let (user, session, api_key) = match origin.principal {
        Principal::ApiKey(id) => (None, None, Some(id)),
        Principal::User { id, session } => (Some(id), Some(session), None),
        Principal::Operator | Principal::Anonymous => (None, None, None),
    };
    sql_query(sql)
        .into_boxed()
        .bind::<Text, _>(&origin.correlation_id)
        .bind::<Nullable<BigInt>, _>(user)
        .bind::<Nullable<BigInt>, _>(session)
        .bind::<Nullable<BigInt>, _>(api_key)
        .bind::<Text, _>(entry.action)
        .bind::<Text, _>(entry.resource)
        .bind::<Text, _>(&entry.id)
        .bind::<Nullable<Text>, _>(entry.old.as_deref().map(RawValue::get))
        .bind::<Nullable<Text>, _>(entry.new.as_deref().map(RawValue::get))
        .bind::<Nullable<Text>, _>(origin.address.map(|address| address.to_string()))
        .bind::<Nullable<Text>, _>(origin.user_agent.as_deref())
}

/// Adds `entry` to the trail.
pub(crate) async fn record(conn: &mut Conn, origin: &Origin, entry: &Entry) -> Result<(), Abort<Error>> {
    // SQL, because the DSL has no types for the values as text.
    let insert = format!("INSERT INTO audit_log ({COLUMNS}) VALUES ({VALUES})");
    cached(bind(insert, origin, entry)).execute(conn).await?;
    Ok(())
}

/// Runs `work`, which changes a `resource`, and adds the change to the trail: one statement more. Returns the resource
/// after the change.
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
                Change::Updated { id, old, new } => (id, old, new),
                Change::Unneeded(resource) => return Ok(resource),
            };
            let entry = Entry { action, resource, id, old: json(Some(&old))?, new: json(Some(&new))? };
            record(conn, origin, &entry).await?;
            Ok(new)
        })
        .await
}

/// Returns the JSON of a resource.
pub(super) fn json(resource: Option<&impl Serialize>) -> Result<Option<Box<RawValue>>, Error> {
    let json = resource.map(to_raw_value).transpose();
    json.map_err(|error| Error::Query { cause: error.to_string() })
}
