//! API keys.

use crate::audit::entries::{self, Change};
use crate::audit::idempotency::{self, Created};
use crate::prelude::*;
use std::time::Duration;
use steadfast_domain::audit::Origin;
use steadfast_domain::identity::{ApiKey, ApiKeyRecord, ApiKeySettings, Caller, KeyHash, Principal, Scope};
use steadfast_domain::version::{Expected, Version};
use steadfast_postgres::diesel::dsl::now;
use steadfast_postgres::diesel::sql_types::{Interval, Timestamptz};
use steadfast_postgres::diesel::{insert_into, update};
use steadfast_postgres::{Abort, Conn};
use steadfast_schema::schema::api_keys;

/// Name of the resource in the audit trail.
const RESOURCE: &str = "api_key";

/// Finds the bearer of a key.
pub const FIND_CALLER: Operation<Read> =
    Operation::read("identity.find_caller").served_by(&["api_keys_key_hash_key"]);

/// Lists a page of the keys, with the total.
pub const API_KEYS: Operation<Read> =
    paged(Operation::read("identity.api_keys").served_by(&["api_keys_pkey"]));

/// Reads a key.
pub const API_KEY: Operation<Read> = Operation::read("identity.api_key").served_by(&["api_keys_pkey"]);

/// Creates a key.
pub const CREATE_API_KEY: Operation<Write> =
    Operation::write("identity.create_api_key").statements(3).served_by(&["idempotency_records_pkey"]);

/// Changes a key.
pub const UPDATE_API_KEY: Operation<Write> =
    Operation::write("identity.update_api_key").statements(3).served_by(&["api_keys_pkey"]);

/// Revokes a key.
pub const REVOKE_API_KEY: Operation<Write> =
    Operation::write("identity.revoke_api_key").statements(3).served_by(&["api_keys_pkey"]);

/// Records the use of a key.
pub const TOUCH_API_KEY: Operation<Write> =
    Operation::write("identity.touch_api_key").served_by(&["api_keys_pkey"]);

/// Finds the bearer of the key with `hash`, unless the key is revoked or expired. Returns the caller, and true if the use
/// of the key is to be recorded. Served by `api_keys_key_hash_key`.
///
/// # Errors
/// Returns [`Error`] if the database does not answer, whether or not the key is valid.
pub(super) async fn find(store: &Store, hash: &KeyHash) -> Result<Option<(Caller, bool)>, Error> {
    let found: Option<CallerRow> = store
        .read(&FIND_CALLER, async |conn| {
            api_keys::table
                .filter(api_keys::key_hash.eq(hash.as_bytes()))
                .filter(api_keys::revoked_at.is_null())
                .filter(api_keys::expires_at.is_null().or(api_keys::expires_at.gt(now)))
                .select((
                    api_keys::id,
                    api_keys::scopes,
                    api_keys::last_used_at,
                    api_keys::expires_at,
                    now.into_sql::<Timestamptz>(),
                ))
                .first(conn)
                .await
                .optional()
        })
        .await?;
    found.map(caller).transpose()
}

/// Row id, scopes, last use and expiry of a key, and the database's time.
type CallerRow = (i64, Vec<String>, Option<DateTime<Utc>>, Option<DateTime<Utc>>, DateTime<Utc>);

fn caller((id, scopes, used_at, expires_at, looked_up_at): CallerRow) -> Result<(Caller, bool), Error> {
    let left = |end: DateTime<Utc>| (end - looked_up_at).to_std().unwrap_or(Duration::ZERO);
    let principal = Principal::ApiKey(id);
    let scopes = scopes.parse("api_keys.scopes")?;
    let is_due = used_at.is_none_or(|used_at| looked_up_at - used_at >= super::RECORDED_EVERY);
    Ok((Caller { principal, scopes, expires_in: expires_at.map(left) }, is_due))
}

/// Records that the key `id` is in use, at most once a minute. Served by `api_keys_pkey`.
///
/// # Errors
/// Returns [`Error`] if the database does not answer.
pub async fn touch_api_key(store: &Store, id: i64) -> Result<(), Error> {
    store
        .write(&TOUCH_API_KEY, async |conn| {
            let due = api_keys::last_used_at + super::RECORDED_EVERY.into_sql::<Interval>().nullable();
            let used = api_keys::table.find(id).filter(api_keys::last_used_at.is_null().or(due.le(now)));
            update(used).set(api_keys::last_used_at.eq(now)).execute(conn).await
        })
        .await
        .map(drop)
}

/// Returns a page of the keys in the order of their creation, with the total. Served by `api_keys_pkey`.
pub async fn api_keys(store: &Store, position: &Position<i64>) -> Result<Page<ApiKey>, Error> {
    let sorted = || api_keys::table.select(ApiKeyRow::as_select()).order(api_keys::id).into_boxed();
    let rows = || page_at(sorted(), position, |last| api_keys::id.gt(last));
    let count = || BoundedCount(api_keys::table.select(api_keys::id).order(api_keys::id));
    page(store, &API_KEYS, position, (rows, count), |last: &ApiKeyRow| last.id).await
}

/// Returns the key `id`. Served by `api_keys_pkey`.
///
/// # Errors
/// Returns [`Error::NotFound`] if there is no such key.
pub async fn api_key(store: &Store, id: i64) -> Result<ApiKey, Error> {
    let key = async |conn: &mut _| {
        api_keys::table.find(id).select(ApiKeyRow::as_select()).first(conn).await.optional()
    };
    store.read(&API_KEY, key).await?.ok_or(Error::NotFound)?.parse()
}

/// Stores a new key.
///
/// # Errors
/// Returns [`Error`]; nothing was stored then, except after [`Error::OutcomeUnknown`].
pub async fn create_api_key(store: &Store, origin: &Origin, record: &ApiKeyRecord) -> Result<Created, Error> {
    let ApiKeyRecord { hash, prefix, settings } = record;
    idempotency::create(store, &CREATE_API_KEY, origin, RESOURCE, async |conn| {
        let new = (
            api_keys::key_hash.eq(hash.as_bytes()),
            api_keys::key_prefix.eq(prefix),
            api_keys::created_by.eq(origin.principal.to_string()),
            changes(settings),
        );
        let stored: ApiKeyRow = insert_into(api_keys::table)
            .values(new)
            .returning(ApiKeyRow::as_select())
            .get_result(conn)
            .await?;
        let key = stored.parse()?;
        Ok((key.id.to_string(), key))
    })
    .await
}

/// Returns the key `id`, locked until the end of the transaction.
async fn locked(conn: &mut Conn, id: i64) -> Result<ApiKey, Abort<Error>> {
    let key = api_keys::table.find(id).select(ApiKeyRow::as_select()).for_no_key_update();
    Ok(key.first(conn).await.optional()?.ok_or(Error::NotFound)?.parse()?)
}

/// Changes the key `id` to `settings` and returns it. Served by `api_keys_pkey`.
///
/// # Errors
/// Returns [`Error::NotFound`] if there is no such key, and [`Error::VersionMismatch`] if its version is not `expected`.
pub async fn update_api_key(
    store: &Store,
    origin: &Origin,
    (id, expected): (i64, Expected),
    settings: &ApiKeySettings,
) -> Result<ApiKey, Error> {
    entries::change(store, &UPDATE_API_KEY, origin, ("update", RESOURCE), async |conn| {
        let old = locked(conn, id).await?;
        let expected = api_keys::version.eq(expected.or(old.version));
        let change = update(api_keys::table.find(id).filter(expected))
            .set((changes(settings), api_keys::version.eq(api_keys::version + 1)))
            .returning(ApiKeyRow::as_select());
        Change::updated(id, old, change.get_result(conn).await)
    })
    .await
}

/// Revokes the key `id`, which stays revoked. Does nothing if it was revoked before. Served by `api_keys_pkey`.
///
/// # Errors
/// Returns [`Error::NotFound`] if there is no such key.
pub async fn revoke_api_key(store: &Store, origin: &Origin, id: i64) -> Result<(), Error> {
    let revoked = entries::change(store, &REVOKE_API_KEY, origin, ("revoke", RESOURCE), async |conn| {
        let old = locked(conn, id).await?;
        let valid = api_keys::table.find(id).filter(api_keys::revoked_at.is_null());
        let change = update(valid).set(api_keys::revoked_at.eq(now)).returning(ApiKeyRow::as_select());
        match change.get_result(conn).await.optional()? {
            Some(new) => Ok(Change::Updated { id: id.to_string(), old, new: new.parse()? }),
            None => Ok(Change::Unneeded(old)),
        }
    });
    revoked.await.map(drop)
}

#[derive(Insertable, AsChangeset)]
#[diesel(table_name = api_keys, treat_none_as_null = true)]
struct Changes<'a> {
    name: &'a str,
    scopes: Vec<&'a str>,
    expires_at: Option<DateTime<Utc>>,
}

fn changes(ApiKeySettings { name, scopes, expires_at }: &ApiKeySettings) -> Changes<'_> {
    Changes { name, scopes: scopes.iter().map(Scope::as_str).collect(), expires_at: *expires_at }
}

row! {
    /// A key.
    ApiKeyRow of api_keys for ApiKey {
        id: i64,
        name: String,
        key_prefix: String,
        scopes: Vec<String>,
        created_at: DateTime<Utc>,
        created_by: Option<String>,
        last_used_at: Option<DateTime<Utc>>,
        expires_at: Option<DateTime<Utc>>,
        revoked_at: Option<DateTime<Utc>>,
        version: i32,
    }
}

impl Parse<Vec<Scope>> for Vec<String> {
    fn parse(self, column: &'static str) -> Result<Vec<Scope>, Error> {
        let scopes: Result<_, _> = self.iter().map(|scope| Scope::parse(scope)).collect();
        scopes.map_err(|_| invalid(column))
    }
}

impl Parse<Version> for i32 {
    fn parse(self, _: &'static str) -> Result<Version, Error> {
        Ok(Version::from_stored(self))
    }
}
