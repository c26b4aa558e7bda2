//! Cases of the operations on users.

use super::super::seed::PASSWORD_HASH;
use super::super::{
    CREATE_USER, DEACTIVATE_USER, SET_PASSWORD, UPDATE_USER, USER, USERS, create_user, deactivate_user,
    set_password, update_user, user, users,
};
use super::{by_program, by_user, keyed};
use crate::audit::cases::origin;
use crate::cases::{ANY, Case};
use crate::prelude::*;
use steadfast_domain::Invalid;
use steadfast_domain::audit::Origin;
use steadfast_domain::identity::{Caller, Role, UserFields, UserSettings};
use steadfast_domain::version::{Expected, Version};

fn settings(email: &str, is_active: Option<bool>) -> Result<UserSettings, Invalid> {
    let fields = UserFields {
        email: Some(email.to_owned()),
        phone_number: is_active.map(|_| "+12025550199".to_owned()),
        display_name: "A case".to_owned(),
        roles: vec![Role::FrontDesk],
        is_active,
        trust_level: None,
        signup_source: is_active.map(|_| "a case".to_owned()),
    };
    fields.parse()
}

/// Returns the cases of the operations on users.
pub(super) fn all() -> Result<Vec<Case>, Invalid> {
    let list = async |store: Store, position: Position<i64>| users(&store, &position).await;
    let get = async |store: Store, id: i64| user(&store, id).await;
    let update = async |store: Store, (origin, id, version, settings): (Origin, i64, i32, UserSettings)| {
        let expected = Expected::Only(Version::from_stored(version));
        update_user(&store, (&origin, &Caller::operator()), (id, expected), &settings).await
    };
    let set = async |store: Store, (origin, id, version): (Origin, i64, i32)| {
        let expected = Expected::Only(Version::from_stored(version));
        set_password(&store, (&origin, &Caller::operator()), (id, expected), PASSWORD_HASH).await
    };
    let deactivate = async |store: Store, (origin, id): (Origin, i64)| {
        deactivate_user(&store, (&origin, &Caller::operator()), id).await
    };
    let inactive = settings("case-10@example.com", Some(false))?;
    let inactive = UserSettings { phone_number: Some("+12025550198".to_owned()), ..inactive };
    let mut cases = Case::pages(&USERS, list, [100, 5_990, i64::MAX])?;
    cases.extend(Case::each(&USER, get, [("a user", ANY, 30), ("no user", ANY, i64::MAX)]));
    cases.extend(Case::each(
        &UPDATE_USER,
        update,
        [
            ("a user", ANY, (by_user(), 40, 1, settings("case-1@example.com", None)?)),
            ("an inactive one", ANY, (by_program(), 44, 1, settings("case-2@example.com", Some(false))?)),
            ("one without sessions", ANY, (by_user(), 43, 1, inactive)),
            ("another version", ANY, (by_user(), 60, 2, settings("case-3@example.com", None)?)),
            ("no user", ANY, (by_user(), i64::MAX, 1, settings("case-3@example.com", None)?)),
        ],
    ));
    cases.extend(Case::each(
        &SET_PASSWORD,
        set,
        [
            ("a user", ANY, (by_user(), 56, 1)),
            ("one without sessions", ANY, (by_program(), 53, 1)),
            ("another version", ANY, (by_user(), 60, 2)),
            ("no user", ANY, (by_user(), i64::MAX, 1)),
        ],
    ));
    cases.extend(Case::each(
        &DEACTIVATE_USER,
        deactivate,
        [
            ("a user", ANY, (by_user(), 64)),
            ("one without sessions", ANY, (by_program(), 63)),
            ("an inactive one", ANY, (by_user(), 62)),
            ("no user", ANY, (by_user(), i64::MAX)),
        ],
    ));
    cases.extend(creations()?);
    Ok(cases)
}

fn creations() -> Result<Vec<Case>, Invalid> {
    let create = async |store: Store, (origin, settings): (Origin, UserSettings)| {
        create_user(&store, &origin, &settings).await
    };
    let with_phone = settings("case-8@example.com", Some(true))?;
    let with_phone = UserSettings { phone_number: Some("+12025550197".to_owned()), ..with_phone };
    Ok(Case::each(
        &CREATE_USER,
        create,
        [
            ("without idempotency key", ANY, (origin(None)?, settings("case-4@example.com", None)?)),
            ("with idempotency key", ANY, (origin(Some("a-user"))?, settings("case-5@example.com", None)?)),
            ("of a user", ANY, (by_user(), settings("case-6@example.com", None)?)),
            (
                "of a user, with idempotency key",
                ANY,
                (keyed(by_user(), "a-users-user")?, settings("case-7@example.com", None)?),
            ),
            ("with a phone number", ANY, (origin(None)?, with_phone)),
            (
                "with the key of another request",
                ANY,
                (origin(Some("request-7"))?, settings("case-9@example.com", None)?),
            ),
        ],
    ))
}
