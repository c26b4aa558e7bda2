//! Sessions of users, and the attempts to begin one.

use super::users::RESOURCE as USER;
use crate::audit::entries::{self, Change, Entry};
use crate::audit::logins;
use crate::expiry::delete_before;
use crate::prelude::*;
use chrono::TimeDelta;
use serde::Serialize;
use std::time::Duration;
use steadfast_domain::audit::Origin;
use steadfast_domain::identity::{
    Caller, KeyHash, LOGIN_ATTEMPTS_MAX, Principal, Role, SESSIONS_MAX, Session, SessionLimits, scopes_of,
};
use steadfast_postgres::diesel::dsl::now;
use steadfast_postgres::diesel::sql_types::{Binary, Integer, Interval, Timestamptz};
use steadfast_postgres::diesel::{insert_into, update};
use steadfast_postgres::{Abort, Conn};
use steadfast_schema::schema::{auth_login_attempts, auth_session, users};

/// Name of the resource in the audit trail.
const RESOURCE: &str = "session";

/// Finds the user of a session.
pub const FIND_SESSION: Operation<Read> =
    Operation::read("identity.find_session").served_by(&["ix_auth_session_token_active", "users_pkey"]);

/// Counts an attempt to log in and reads the user.
pub const BEGIN_LOGIN: Operation<Write> = Operation::write("identity.begin_login")
    .statements(2)
    .served_by(&["auth_login_attempts_pkey", "users_email_key", "users_phone_number_key"]);

/// Creates a session.
pub const CREATE_SESSION: Operation<Write> = Operation::write("identity.create_session")
    .statements(4)
    .served_by(&["users_pkey", "auth_login_attempts_pkey"]);

/// Records an attempt to log in that was refused.
pub const REFUSE_LOGIN: Operation<Write> = Operation::write("identity.refuse_login");

/// Replaces the hash of a password by a better hash of the same password.
pub const REHASH_PASSWORD: Operation<Write> =
    Operation::write("identity.rehash_password").served_by(&["users_pkey"]);

/// Lists the sessions of a user.
pub const SESSIONS: Operation<Read> =
    Operation::read("identity.sessions").served_by(&["auth_session_user_id"]);

/// Revokes a session.
pub const REVOKE_SESSION: Operation<Write> =
    Operation::write("identity.revoke_session").statements(3).served_by(&["auth_session_pkey"]);

/// Revokes the sessions of a user.
pub const REVOKE_SESSIONS: Operation<Write> = Operation::write("identity.revoke_sessions")
    .statements(3)
    .served_by(&["users_pkey", "auth_session_user_id"]);

/// Records the use of a session.
pub const TOUCH_SESSION: Operation<Write> =
    Operation::write("identity.touch_session").served_by(&["auth_session_pkey"]);

/// Deletes old sessions, in batches.
pub const EXPIRE_SESSIONS: Operation<Write> =
    Operation::write("identity.expire_sessions").served_by(&["ix_auth_session_created_at"]);

/// Deletes revoked sessions, in batches.
pub const EXPIRE_REVOKED_SESSIONS: Operation<Write> =
    Operation::write("identity.expire_revoked_sessions").served_by(&["ix_auth_session_revoked_at"]);

/// Deletes forgotten attempts to log in, in batches.
pub const EXPIRE_LOGIN_ATTEMPTS: Operation<Write> =
    Operation::write("identity.expire_login_attempts").served_by(&["auth_login_attempts_expires_at"]);

/// Finds the user of the session whose token has `hash`, unless the session has ended or the user is inactive. Returns
/// the caller, and true if the use of the session is to be recorded. Served by `ix_auth_session_token_active`.
pub(super) async fn find(
    store: &Store,
    hash: &KeyHash,
    limits: SessionLimits,
) -> Result<Option<(Caller, bool)>, Error> {
    let found: Option<FoundRow> = store
        .read(&FIND_SESSION, async |conn| {
            auth_session::table
                .inner_join(users::table)
                .filter(auth_session::session_token_hash.eq(hash.as_bytes()))
                .filter(auth_session::revoked_at.is_null())
                .filter(auth_session::expires_at.gt(now))
                .filter(users::is_active)
                .select((
                    auth_session::id,
                    auth_session::user_id,
                    users::roles,
                    auth_session::last_activity_at,
                    auth_session::expires_at,
                    now.into_sql::<Timestamptz>(),
                ))
                .first(conn)
                .await
                .optional()
        })
        .await?;
    let Some((session, id, roles, last_activity_at, expires_at, looked_up_at)) = found else {
        return Ok(None);
    };
    let unused = looked_up_at - last_activity_at;
    if unused >= interval(limits.idle) {
        return Ok(None);
    }
    let left = (expires_at - looked_up_at).to_std().unwrap_or_default();
    let roles: Vec<Role> = roles.parse("users.roles")?;
    let principal = Principal::User { id, session };
    // The look-up is a use itself, so the session has its whole idle time before it.
    let caller = Caller { principal, scopes: scopes_of(&roles), expires_in: Some(left.min(limits.idle)) };
    Ok(Some((caller, unused >= super::RECORDED_EVERY)))
}

/// Returns a time limit as an interval of the database.
fn interval(limit: Duration) -> TimeDelta {
    TimeDelta::from_std(limit).unwrap_or(TimeDelta::MAX)
}

/// Session, user, roles, times of the last use and of the end, and the database's time.
type FoundRow = (i64, i64, Vec<String>, DateTime<Utc>, DateTime<Utc>, DateTime<Utc>);

/// Attempt to log in.
#[derive(Clone, Debug)]
pub enum LoginAttempt {
    /// The attempt may be made.
    Permitted(Option<Account>),
    /// There were too many attempts with this address.
    Locked {
        /// Time after which the next one may be made.
        retry_after: Duration,
    },
}

/// User whose password is to be verified.
#[derive(Clone)]
pub struct Account {
    /// Row id of the user.
    pub user_id: i64,
    /// Hash of the password.
    pub password_hash: String,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Account({})", self.user_id)
    }
}

/// Row of a counted attempt.
#[derive(QueryableByName)]
struct Counted {
    #[diesel(sql_type = Integer)]
    attempts: i32,
    #[diesel(sql_type = Timestamptz)]
    expires_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    counted_at: DateTime<Utc>,
}

/// Counts an attempt to log in as the user with the address `login`, an e-mail address in lower case or a phone number,
/// before the password is verified: so attempts at the same time count, too. Returns the user if it is active and has a
/// password.
///
/// # Errors
/// Returns [`Error`] if the database does not answer.
pub async fn begin_login(store: &Store, login: &str) -> Result<LoginAttempt, Error> {
    // SQL, because the DSL has no alias of the stored row in ON CONFLICT.
    let count = format!(
        "INSERT INTO auth_login_attempts AS stored (login_hash) VALUES ($1) \
         ON CONFLICT (login_hash) DO UPDATE SET \
            attempts = CASE WHEN stored.expires_at <= now() THEN 1 ELSE least(stored.attempts, {LOGIN_ATTEMPTS_MAX}) + 1 END, \
            expires_at = CASE WHEN stored.attempts < {LOGIN_ATTEMPTS_MAX} OR stored.expires_at <= now() \
                THEN excluded.expires_at ELSE stored.expires_at END \
         RETURNING attempts, expires_at, now() AS counted_at"
    );
    let hash = KeyHash::of_text(login);
    store
        .write(&BEGIN_LOGIN, async |conn| {
            let count = sql_query(&count).bind::<Binary, _>(hash.as_bytes());
            let counted: Counted = count.get_result(conn).await?;
            if counted.attempts > LOGIN_ATTEMPTS_MAX {
                let retry_after = (counted.expires_at - counted.counted_at).to_std().unwrap_or_default();
                return Ok(LoginAttempt::Locked { retry_after });
            }
            let active = users::table.filter(users::is_active).select((users::id, users::password_hash));
            let found: Option<(i64, Option<String>)> = if login.contains('@') {
                active.filter(users::email.eq(login)).first(conn).await.optional()?
            } else {
                active.filter(users::phone_number.eq(login)).first(conn).await.optional()?
            };
            let account =
                |(user_id, hash): (i64, Option<String>)| Some(Account { user_id, password_hash: hash? });
            Ok(LoginAttempt::Permitted(found.and_then(account)))
        })
        .await
}

/// Creates a session of the user whose password was verified, with the token that has `hash`, and forgets the attempts
/// with the address `login`.
///
/// # Errors
/// Returns [`Error::NotFound`] if the user was deactivated or got another password since.
pub async fn create_session(
    store: &Store,
    origin: &Origin,
    (login, account): (&str, &Account),
    (hash, limits): (&KeyHash, SessionLimits),
) -> Result<Session, Error> {
    let total = interval(limits.total);
    store
        .try_write(&CREATE_SESSION, async |conn| {
            let verified = users::table
                .find(account.user_id)
                .filter(users::password_hash.eq(&account.password_hash))
                .filter(users::is_active)
                .select(now.into_sql::<Timestamptz>())
                .for_share();
            // Locked, so that a change of the password waits and ends this session, too.
            let began: DateTime<Utc> = verified.first(conn).await.optional()?.ok_or(Error::NotFound)?;
            diesel::delete(auth_login_attempts::table.find(KeyHash::of_text(login).as_bytes()))
                .execute(conn)
                .await?;
            let new = (
                auth_session::user_id.eq(account.user_id),
                auth_session::session_token_hash.eq(hash.as_bytes()),
                auth_session::expires_at.eq(began + total),
                auth_session::user_agent.eq(origin.user_agent.as_deref()),
            );
            let stored: SessionRow = insert_into(auth_session::table)
                .values(new)
                .returning(SessionRow::as_select())
                .get_result(conn)
                .await?;
            let session: Session = stored.parse()?;
            let principal = Principal::User { id: account.user_id, session: session.id };
            let user = Origin { principal, ..origin.clone() };
            let (id, [old, new]) = (account.user_id.to_string(), [None, None]);
            entries::record(conn, &user, &Entry { action: "login", resource: USER, id, old, new }).await?;
            Ok(session)
        })
        .await
}

/// Adds an attempt to log in that was refused because of `reason` to the audit trail.
///
/// # Errors
/// Returns [`Error`] if the database does not answer.
pub async fn refuse_login(
    store: &Store,
    origin: &Origin,
    user_id: Option<i64>,
    reason: &'static str,
) -> Result<(), Error> {
    store.try_write(&REFUSE_LOGIN, async |conn| logins::refused(conn, origin, user_id, reason).await).await
}

/// Replaces the hash of a password by `hash`, a better one of the same password, unless the password was changed since.
///
/// # Errors
/// Returns [`Error`] if the database does not answer.
pub async fn rehash_password(store: &Store, account: &Account, hash: &str) -> Result<(), Error> {
    store
        .write(&REHASH_PASSWORD, async |conn| {
            let same =
                users::table.find(account.user_id).filter(users::password_hash.eq(&account.password_hash));
            update(same).set(users::password_hash.eq(hash)).execute(conn).await
        })
        .await
        .map(drop)
}

/// Returns the latest sessions of the user that have not ended, at most [`SESSIONS_MAX`]. Served by
/// `auth_session_user_id`.
pub async fn sessions(store: &Store, user: i64, limits: SessionLimits) -> Result<Vec<Session>, Error> {
    let idle = interval(limits.idle);
    all(store, &SESSIONS, || {
        auth_session::table
            .filter(auth_session::user_id.eq(user))
            .filter(auth_session::revoked_at.is_null())
            .filter(auth_session::expires_at.gt(now))
            .filter((auth_session::last_activity_at + idle.into_sql::<Interval>()).gt(now))
            .select(SessionRow::as_select())
            .order(auth_session::id.desc())
            .limit(SESSIONS_MAX)
    })
    .await
}

/// Revokes the session `id`, of `owner` if there is one, and of any user otherwise. Does nothing if it was revoked before.
/// Served by `auth_session_pkey`.
///
/// # Errors
/// Returns [`Error::NotFound`] if there is no such session.
pub async fn revoke_session(
    store: &Store,
    origin: &Origin,
    id: i64,
    owner: Option<i64>,
) -> Result<(), Error> {
    let revoked = entries::change(store, &REVOKE_SESSION, origin, ("revoke", RESOURCE), async |conn| {
        let session = auth_session::table.find(id).select(SessionRow::as_select()).for_no_key_update();
        let old: Session = session.first(conn).await.optional()?.ok_or(Error::NotFound)?.parse()?;
        if owner.is_some_and(|owner| owner != old.user_id) {
            return Err(Error::NotFound)?;
        }
        let open = auth_session::table.find(id).filter(auth_session::revoked_at.is_null());
        let change = update(open).set(auth_session::revoked_at.eq(now)).returning(SessionRow::as_select());
        match change.get_result(conn).await.optional()? {
            Some(new) => Ok(Change::Updated { id: id.to_string(), old, new: new.parse()? }),
            None => Ok(Change::Unneeded(old)),
        }
    });
    revoked.await.map(drop)
}

/// Sessions of a user, as the audit trail shows them.
#[derive(Serialize)]
struct Sessions {
    sessions: Vec<i64>,
}

/// Revokes all sessions of the user.
///
/// # Errors
/// Returns [`Error::NotFound`] if there is no such user, and [`Error::Forbidden`] if its roles give scopes that `caller`
/// lacks.
pub async fn revoke_sessions(
    store: &Store,
    (origin, caller): (&Origin, &Caller),
    user: i64,
) -> Result<(), Error> {
    let revoked = entries::change(store, &REVOKE_SESSIONS, origin, ("revoke_sessions", USER), async |conn| {
        super::users::locked(conn, caller, user).await?;
        let sessions = revoke_all(conn, user).await?;
        if sessions.is_empty() {
            return Ok(Change::Unneeded(Sessions { sessions }));
        }
        let new = Sessions { sessions: Vec::new() };
        Ok(Change::Updated { id: user.to_string(), old: Sessions { sessions }, new })
    });
    revoked.await.map(drop)
}

/// Revokes the sessions of a user, as a part of a unit of work, and returns their row ids.
pub(super) async fn revoke_all(conn: &mut Conn, user: i64) -> Result<Vec<i64>, Abort<Error>> {
    let open =
        auth_session::table.filter(auth_session::user_id.eq(user)).filter(auth_session::revoked_at.is_null());
    let revoked = update(open).set(auth_session::revoked_at.eq(now)).returning(auth_session::id);
    Ok(revoked.get_results(conn).await?)
}

/// Records that the session `id` is in use, at most once a minute. Served by `auth_session_pkey`.
///
/// # Errors
/// Returns [`Error`] if the database does not answer.
pub async fn touch_session(store: &Store, id: i64) -> Result<(), Error> {
    store
        .write(&TOUCH_SESSION, async |conn| {
            let due = auth_session::last_activity_at + super::RECORDED_EVERY.into_sql::<Interval>();
            let used = auth_session::table.find(id).filter(due.le(now));
            update(used).set(auth_session::last_activity_at.eq(now)).execute(conn).await
        })
        .await
        .map(drop)
}

/// Deletes up to 500 sessions that began before `time` and returns how many. Skips those that another call is deleting.
///
/// # Errors
/// Returns [`Error`] if the database does not answer.
pub async fn expire_sessions(store: &Store, time: DateTime<Utc>) -> Result<usize, Error> {
    delete_before(store, &EXPIRE_SESSIONS, ("auth_session", "created_at"), time).await
}

/// Deletes up to 500 sessions that were revoked before `time` and returns how many. Skips those that another call is
/// deleting.
///
/// # Errors
/// Returns [`Error`] if the database does not answer.
pub async fn expire_revoked_sessions(store: &Store, time: DateTime<Utc>) -> Result<usize, Error> {
    delete_before(store, &EXPIRE_REVOKED_SESSIONS, ("auth_session", "revoked_at"), time).await
}

/// Deletes up to 500 counts of attempts that were forgotten before `time` and returns how many. Skips those that
/// another call is deleting.
///
/// # Errors
/// Returns [`Error`] if the database does not answer.
pub async fn expire_login_attempts(store: &Store, time: DateTime<Utc>) -> Result<usize, Error> {
    delete_before(store, &EXPIRE_LOGIN_ATTEMPTS, ("auth_login_attempts", "expires_at"), time).await
}

row! {
    /// A session.
    SessionRow of auth_session for Session {
        id: i64,
        user_id: i64,
        created_at: DateTime<Utc>,
        last_activity_at: DateTime<Utc>,
        expires_at: DateTime<Utc>,
        revoked_at: Option<DateTime<Utc>>,
        user_agent: Option<String>,
    }
}
