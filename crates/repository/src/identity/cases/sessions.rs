//! Cases of the operations on sessions.

use super::super::{
    Account, BEGIN_LOGIN, CREATE_SESSION, EXPIRE_LOGIN_ATTEMPTS, EXPIRE_REVOKED_SESSIONS, EXPIRE_SESSIONS,
    FIND_SESSION, REFUSE_LOGIN, REHASH_PASSWORD, REVOKE_SESSION, REVOKE_SESSIONS, SESSIONS, TOUCH_SESSION,
    begin_login, create_session, expire_login_attempts, expire_revoked_sessions, expire_sessions,
    find_caller, refuse_login, rehash_password, revoke_session, revoke_sessions, seed, sessions,
    touch_session,
};
use super::{by_program, by_user};
use crate::cases::{ANY, Case};
use crate::prelude::*;
use chrono::TimeDelta;
use steadfast_domain::Invalid;
use steadfast_domain::audit::Origin;
use steadfast_domain::identity::{Caller, Credential, KeyHash, Principal, SessionLimits};

/// Returns the cases of the operations on sessions.
pub(super) fn all() -> Result<Vec<Case>, Invalid> {
    Ok([logins(), uses(), revocations(), upkeep()].into_iter().flatten().collect())
}

fn account(user_id: i64) -> Account {
    Account { user_id, password_hash: seed::PASSWORD_HASH.to_owned() }
}

fn anonymous() -> Origin {
    Origin { principal: Principal::Anonymous, ..by_user() }
}

fn logins() -> Vec<Case> {
    let begin = async |store: Store, login: &'static str| begin_login(&store, login).await;
    let create = async |store: Store, (number, login, user): (u8, &'static str, i64)| {
        let (hash, limits) = (KeyHash::from_bytes([number; 32]), SessionLimits::default());
        create_session(&store, &anonymous(), (login, &account(user)), (&hash, limits)).await
    };
    let refuse =
        async |store: Store, user: Option<i64>| refuse_login(&store, &anonymous(), user, "a case").await;
    let rehash =
        async |store: Store, user: i64| rehash_password(&store, &account(user), "$argon2id$better").await;
    let mut cases = Case::each(
        &BEGIN_LOGIN,
        begin,
        [
            ("an e-mail address", &["users_email_key"][..], "user-24@example.com"),
            ("a phone number", &["users_phone_number_key"], "+1202555000025"),
            ("an unknown e-mail address", &["users_email_key"], "unknown@example.com"),
            ("an unknown phone number", &["users_phone_number_key"], "+12025550100"),
            ("too many attempts", ANY, "user-599@example.com"),
        ],
    );
    cases.extend(Case::each(
        &CREATE_SESSION,
        create,
        [
            ("a user", ANY, (1, "user-34@example.com", 34)),
            ("without attempts", ANY, (2, "case@example.com", 35)),
            ("an inactive user", ANY, (3, "user-32@example.com", 32)),
        ],
    ));
    cases.extend(Case::each(
        &REFUSE_LOGIN,
        refuse,
        [("a user", ANY, Some(3)), ("an unknown address", ANY, None)],
    ));
    cases.extend(Case::each(&REHASH_PASSWORD, rehash, [("a user", ANY, 33), ("no user", ANY, i64::MAX)]));
    cases
}

fn uses() -> Vec<Case> {
    let find = async |store: Store, hash: KeyHash| {
        find_caller(&store, &Credential::Session(hash), SessionLimits::default()).await
    };
    let list = async |store: Store, user: i64| sessions(&store, user, SessionLimits::default()).await;
    let touch = async |store: Store, id: i64| touch_session(&store, id).await;
    let mut cases = Case::each(
        &FIND_SESSION,
        find,
        [
            ("a session", ANY, seed::token(40)),
            ("a revoked session", ANY, seed::token(41)),
            ("an expired session", ANY, seed::token(1_042)),
            ("no session", ANY, KeyHash::OF_NO_KEY),
        ],
    );
    cases.extend(Case::each(
        &SESSIONS,
        list,
        [("some", ANY, 100), ("many", ANY, 7), ("none", ANY, i64::MAX)],
    ));
    cases.extend(Case::each(
        &TOUCH_SESSION,
        touch,
        [("a session", ANY, 1_002), ("a session in use", ANY, 144), ("no session", ANY, i64::MAX)],
    ));
    cases
}

fn revocations() -> Vec<Case> {
    let revoke = async |store: Store, (origin, id, owner): (Origin, i64, Option<i64>)| {
        revoke_session(&store, &origin, id, owner).await
    };
    let revoke_all = async |store: Store, (origin, user): (Origin, i64)| {
        revoke_sessions(&store, (&origin, &Caller::operator()), user).await
    };
    let mut cases = Case::each(
        &REVOKE_SESSION,
        revoke,
        [
            ("of any user", ANY, (by_program(), 80, None)),
            ("of the owner", ANY, (by_user(), 86, Some(87))),
            ("of another user", ANY, (by_user(), 90, Some(1))),
            ("a revoked session", ANY, (by_user(), 81, None)),
            ("no session", ANY, (by_user(), i64::MAX, None)),
        ],
    );
    cases.extend(Case::each(
        &REVOKE_SESSIONS,
        revoke_all,
        [
            ("a user", ANY, (by_user(), 91)),
            ("another user", ANY, (by_program(), 95)),
            ("one without sessions", ANY, (by_user(), 93)),
            ("no user", ANY, (by_user(), i64::MAX)),
        ],
    ));
    cases
}

/// Returns the time so many hours after the seeded sessions began.
fn time(hours: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600, 0).unwrap_or_default() + TimeDelta::hours(hours)
}

fn upkeep() -> Vec<Case> {
    let expire = async |store: Store, hours: i64| expire_sessions(&store, time(hours)).await;
    let expire_revoked = async |store: Store, hours: i64| expire_revoked_sessions(&store, time(hours)).await;
    let forget = async |store: Store, hours: i64| expire_login_attempts(&store, time(hours)).await;
    let ended = [("no old ones", ANY, -1), ("less than a batch", ANY, 20), ("a full batch", ANY, 8_760)];
    let mut cases = Case::each(&EXPIRE_SESSIONS, expire, ended);
    cases.extend(Case::each(&EXPIRE_REVOKED_SESSIONS, expire_revoked, ended));
    cases.extend(Case::each(
        &EXPIRE_LOGIN_ATTEMPTS,
        forget,
        [("none forgotten", ANY, -1), ("less than a batch", ANY, 500), ("a full batch", ANY, 900_000)],
    ));
    cases
}
