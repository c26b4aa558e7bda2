//! Who may call: API keys by their hash.

#[cfg(feature = "cases")]
pub(crate) mod cases;
#[cfg(feature = "cases")]
pub(crate) mod seed;
use crate::{Error, Store};
use std::time::Duration;
use steadfast_domain::identity::{ApiKeyRecord, Caller, KeyHash, Scope};
use steadfast_postgres::diesel::data_types::PgTimestamp;
use steadfast_postgres::diesel::prelude::*;
use steadfast_postgres::diesel::sql_types::Timestamptz;
use steadfast_postgres::diesel::{dsl::now, insert_into, update};
use steadfast_postgres::diesel_async::RunQueryDsl;
use steadfast_postgres::{Operation, Read, Write};
use steadfast_schema::schema::api_keys;

/// The bearer of an API key.
pub const FIND_CALLER: Operation<Read> =
    Operation::read("identity.find_caller").served_by(&["api_keys_key_hash_key"]);

/// Stores a new API key.
pub const CREATE_API_KEY: Operation<Write> = Operation::write("identity.create_api_key");

/// Withdraws an API key.
pub const REVOKE_API_KEY: Operation<Write> =
    Operation::write("identity.revoke_api_key").served_by(&["api_keys_pkey"]);

/// Finds the bearer of the key with `hash`, unless the key is revoked or expired. Served by `api_keys_key_hash_key`.
///
/// # Errors
/// Returns [`Error`] if the database gives no answer. That says nothing about the key.
pub async fn find_caller(store: &Store, hash: &KeyHash) -> Result<Option<Caller>, Error> {
    let found: Option<Row> = store
        .read(&FIND_CALLER, async |conn| {
            api_keys::table
                .filter(api_keys::key_hash.eq(hash.as_bytes()))
                .filter(api_keys::revoked_at.is_null())
                .filter(api_keys::expires_at.is_null().or(api_keys::expires_at.gt(now)))
                .select((api_keys::id, api_keys::scopes, api_keys::expires_at, now.into_sql::<Timestamptz>()))
                .first(conn)
                .await
                .optional()
        })
        .await?;
    found.map(caller).transpose()
}

/// Row id, scopes and expiry of a key, and the database's time. Not chrono's types: those have no infinity.
type Row = (i64, Vec<String>, Option<PgTimestamp>, PgTimestamp);

fn caller((api_key_id, scopes, expires_at, looked_up_at): Row) -> Result<Caller, Error> {
    let scopes: Result<Vec<Scope>, _> = scopes.iter().map(|scope| Scope::parse(scope)).collect();
    let scopes =
        scopes.map_err(|invalid| Error::Query { cause: format!("api_keys {api_key_id}: {invalid}") })?;
    let microseconds_left =
        |PgTimestamp(end)| u64::try_from(end.saturating_sub(looked_up_at.0)).unwrap_or_default();
    let expires_in = expires_at.map(|end| Duration::from_micros(microseconds_left(end)));
    Ok(Caller { api_key_id, scopes, expires_in })
}

/// Stores a new API key and gives its row id.
///
/// # Errors
/// [`Error`]; then nothing was stored, except that after [`Error::OutcomeUnknown`] nobody knows.
pub async fn create_api_key(store: &Store, record: &ApiKeyRecord) -> Result<i64, Error> {
    let scopes: Vec<&str> = record.scopes.iter().map(Scope::as_str).collect();
    store
        .write(&CREATE_API_KEY, async |conn| {
            insert_into(api_keys::table)
                .values((
                    api_keys::key_hash.eq(record.hash.as_bytes()),
                    api_keys::name.eq(&record.name),
                    api_keys::key_prefix.eq(&record.prefix),
                    api_keys::scopes.eq(&scopes),
                ))
                .returning(api_keys::id)
                .get_result(conn)
                .await
        })
        .await
}

/// Withdraws the API key `id`; `false` when there is none or it was withdrawn before. Found by `api_keys_pkey`.
///
/// # Errors
/// [`Error`].
pub async fn revoke_api_key(store: &Store, id: i64) -> Result<bool, Error> {
    let revoked = store
        .write(&REVOKE_API_KEY, async |conn| {
            update(api_keys::table.find(id).filter(api_keys::revoked_at.is_null()))
                .set(api_keys::revoked_at.eq(now))
                .execute(conn)
                .await
        })
        .await?;
    Ok(revoked == 1)
}
