//! Users.

use super::sessions::revoke_all;
use crate::audit::entries::{self, Change};
use crate::audit::idempotency::{self, Created};
use crate::prelude::*;
use steadfast_domain::audit::Origin;
use steadfast_domain::identity::{Caller, Role, TrustLevel, User, UserSettings, scopes_of};
use steadfast_domain::version::Expected;
use steadfast_postgres::diesel::dsl::now;
use steadfast_postgres::diesel::{insert_into, update};
use steadfast_postgres::{Abort, Conn};
use steadfast_schema::schema::users;

/// Name of the resource in the audit trail.
pub(super) const RESOURCE: &str = "user";

/// Lists a page of the users, with the total.
pub const USERS: Operation<Read> = paged(Operation::read("identity.users").served_by(&["users_pkey"]));

/// Reads a user.
pub const USER: Operation<Read> = Operation::read("identity.user").served_by(&["users_pkey"]);

/// Creates a user.
pub const CREATE_USER: Operation<Write> =
    Operation::write("identity.create_user").statements(3).served_by(&["idempotency_records_pkey"]);

/// Changes a user.
pub const UPDATE_USER: Operation<Write> =
    Operation::write("identity.update_user").statements(4).served_by(&["users_pkey", "auth_session_user_id"]);

/// Sets the password of a user.
pub const SET_PASSWORD: Operation<Write> = Operation::write("identity.set_password")
    .statements(4)
    .served_by(&["users_pkey", "auth_session_user_id"]);

/// Deactivates a user.
pub const DEACTIVATE_USER: Operation<Write> = Operation::write("identity.deactivate_user")
    .statements(4)
    .served_by(&["users_pkey", "auth_session_user_id"]);

/// Returns a page of the users in the order of their creation, with the total. Served by `users_pkey`.
pub async fn users(store: &Store, position: &Position<i64>) -> Result<Page<User>, Error> {
    let sorted = || users::table.select(UserRow::as_select()).order(users::id).into_boxed();
    let rows = || page_at(sorted(), position, |last| users::id.gt(last));
    let count = || BoundedCount(users::table.select(users::id).order(users::id));
    page(store, &USERS, position, (rows, count), |last: &UserRow| last.id).await
}

/// Returns the user `id`. Served by `users_pkey`.
///
/// # Errors
/// Returns [`Error::NotFound`] if there is no such user.
pub async fn user(store: &Store, id: i64) -> Result<User, Error> {
    let user =
        async |conn: &mut _| users::table.find(id).select(UserRow::as_select()).first(conn).await.optional();
    store.read(&USER, user).await?.ok_or(Error::NotFound)?.parse()
}

/// Stores a new user, without a password.
///
/// # Errors
/// Returns [`Error::Duplicate`] if another user has the address.
pub async fn create_user(store: &Store, origin: &Origin, settings: &UserSettings) -> Result<Created, Error> {
    idempotency::create(store, &CREATE_USER, origin, RESOURCE, async |conn| {
        let new = (changes(settings), users::is_active.eq(settings.is_active.unwrap_or(true)));
        let stored: UserRow =
            insert_into(users::table).values(new).returning(UserRow::as_select()).get_result(conn).await?;
        let user = stored.parse()?;
        Ok((user.id.to_string(), user))
    })
    .await
}

/// Returns the user `id`, locked until the end of the transaction.
///
/// # Errors
/// Returns [`Error::NotFound`] if there is no such user, and [`Error::Forbidden`] if its roles give scopes that `caller`
/// lacks: who could change it could act as it.
pub(super) async fn locked(conn: &mut Conn, caller: &Caller, id: i64) -> Result<User, Abort<Error>> {
    let user = users::table.find(id).select(UserRow::as_select()).for_no_key_update();
    let user: User = user.first(conn).await.optional()?.ok_or(Error::NotFound)?.parse()?;
    match caller.cannot_grant(&scopes_of(&user.roles)) {
        Some(_) => Err(Error::Forbidden)?,
        None => Ok(user),
    }
}

/// Changes the user `id` to `settings` and returns it. Ends the sessions of a user who is no longer active. Served by
/// `users_pkey`.
///
/// # Errors
/// Returns [`Error::NotFound`] if there is no such user, [`Error::VersionMismatch`] if its version is not `expected`,
/// [`Error::Forbidden`] if its roles give scopes that `caller` lacks, and [`Error::Duplicate`] if another user has the
/// address.
pub async fn update_user(
    store: &Store,
    (origin, caller): (&Origin, &Caller),
    (id, expected): (i64, Expected),
    settings: &UserSettings,
) -> Result<User, Error> {
    entries::change(store, &UPDATE_USER, origin, ("update", RESOURCE), async |conn| {
        let old = locked(conn, caller, id).await?;
        let is_active = settings.is_active.unwrap_or(old.is_active);
        let expected = users::version.eq(expected.or(old.version));
        let change = update(users::table.find(id).filter(expected))
            .set((
                changes(settings),
                users::is_active.eq(is_active),
                users::updated_at.eq(now),
                users::version.eq(users::version + 1),
            ))
            .returning(UserRow::as_select());
        let changed = Change::updated(id, old, change.get_result(conn).await)?;
        if !is_active {
            revoke_all(conn, id).await?;
        }
        Ok(changed)
    })
    .await
}

/// Sets the password of the user `id` to the one with `hash`, and ends the user's sessions. Served by `users_pkey`.
///
/// # Errors
/// Returns [`Error::NotFound`] if there is no such user, [`Error::VersionMismatch`] if its version is not `expected`, and
/// [`Error::Forbidden`] if its roles give scopes that `caller` lacks.
pub async fn set_password(
    store: &Store,
    (origin, caller): (&Origin, &Caller),
    (id, expected): (i64, Expected),
    hash: &str,
) -> Result<User, Error> {
    entries::change(store, &SET_PASSWORD, origin, ("set_password", RESOURCE), async |conn| {
        let old = locked(conn, caller, id).await?;
        let expected = users::version.eq(expected.or(old.version));
        let change = update(users::table.find(id).filter(expected))
            .set((
                users::password_hash.eq(hash),
                users::updated_at.eq(now),
                users::version.eq(users::version + 1),
            ))
            .returning(UserRow::as_select());
        let changed = Change::updated(id, old, change.get_result(conn).await)?;
        revoke_all(conn, id).await?;
        Ok(changed)
    })
    .await
}

/// Deactivates the user `id` and ends the user's sessions. Does nothing if the user was inactive before. Served by
/// `users_pkey`.
///
/// # Errors
/// Returns [`Error::NotFound`] if there is no such user, and [`Error::Forbidden`] if its roles give scopes that `caller`
/// lacks.
pub async fn deactivate_user(
    store: &Store,
    (origin, caller): (&Origin, &Caller),
    id: i64,
) -> Result<(), Error> {
    let deactivated =
        entries::change(store, &DEACTIVATE_USER, origin, ("deactivate", RESOURCE), async |conn| {
            let old = locked(conn, caller, id).await?;
            let active = users::table.find(id).filter(users::is_active);
            let change = update(active)
                .set((
                    users::is_active.eq(false),
                    users::updated_at.eq(now),
                    users::version.eq(users::version + 1),
                ))
                .returning(UserRow::as_select());
            let Some(new) = change.get_result(conn).await.optional()? else {
                return Ok(Change::Unneeded(old));
            };
            revoke_all(conn, id).await?;
            Ok(Change::Updated { id: id.to_string(), old, new: new.parse()? })
        });
    deactivated.await.map(drop)
}

#[derive(Insertable, AsChangeset)]
#[diesel(table_name = users, treat_none_as_null = true, treat_none_as_default_value = false)]
struct Changes<'a> {
    email: Option<&'a str>,
    phone_number: Option<&'a str>,
    display_name: &'a str,
    roles: Vec<&'static str>,
    trust_level: &'static str,
    signup_source: Option<&'a str>,
}

fn changes(settings: &UserSettings) -> Changes<'_> {
    Changes {
        email: settings.email.as_deref(),
        phone_number: settings.phone_number.as_deref(),
        display_name: &settings.display_name,
        roles: settings.roles.iter().map(|role| role.as_str()).collect(),
        trust_level: settings.trust_level.as_str(),
        signup_source: settings.signup_source.as_deref(),
    }
}

row! {
    /// A user.
    UserRow of users for User {
        id: i64,
        email: Option<String>,
        phone_number: Option<String>,
        display_name: String,
        has_password: bool,
        roles: Vec<String>,
        is_active: bool,
        trust_level: String,
        referral_share_token: Option<String>,
        signup_source: Option<String>,
        created_at: DateTime<Utc>,
        updated_at: DateTime<Utc>,
        version: i32,
    }
}

impl Parse<Vec<Role>> for Vec<String> {
    fn parse(self, column: &'static str) -> Result<Vec<Role>, Error> {
        self.iter().map(|name| Role::of_name(name).ok_or_else(|| invalid(column))).collect()
    }
}

named!(TrustLevel);
