//! Cases of the operations on API keys.

mod sessions;
mod users;

use super::{
    API_KEY, API_KEYS, CREATE_API_KEY, FIND_CALLER, REVOKE_API_KEY, TOUCH_API_KEY, UPDATE_API_KEY, api_key,
    api_keys, create_api_key, find_caller, revoke_api_key, seed, touch_api_key, update_api_key,
};
use crate::audit::cases::origin;
use crate::cases::{ANY, Case};
use crate::prelude::*;
use steadfast_domain::Invalid;
use steadfast_domain::audit::Origin;
use steadfast_domain::audit::idempotency::{IdempotencyKey, Repeatable, RequestHash};
use steadfast_domain::identity::{
    ApiKeyRecord, ApiKeySettings, Credential, KeyHash, Principal, SessionLimits,
};
use steadfast_domain::version::{Expected, Version};

/// Indexes that a requirement document names.
pub(crate) const DOCUMENTED: &[(&str, &str)] =
    &[("ix_auth_session_token_hash", "requirements of the shopping list")];

/// Returns the cases of this area.
pub(crate) fn all() -> Result<Vec<Case>, Invalid> {
    let parts = [keys()?, users::all()?, sessions::all()?];
    Ok(parts.into_iter().flatten().collect())
}

/// Returns the origin of a request that a user sends from a known address.
fn by_user() -> Origin {
    let principal = Principal::User { id: 8, session: 9 };
    let (address, user_agent) = (Some([192, 0, 2, 1].into()), Some("a browser".to_owned()));
    Origin { principal, address, user_agent, ..Origin::operator("a case") }
}

/// Returns `origin` with the idempotency key `key`.
fn keyed(origin: Origin, key: &str) -> Result<Origin, Invalid> {
    let repeatable = Repeatable { key: IdempotencyKey::parse(key)?, hash: RequestHash::of(key, b"") };
    Ok(Origin { repeatable: Some(repeatable), ..origin })
}

/// Returns the origin of a request that a program sends.
fn by_program() -> Origin {
    Origin { principal: Principal::ApiKey(7), ..Origin::operator("a case") }
}

fn keys() -> Result<Vec<Case>, Invalid> {
    let expiring = ApiKeySettings::parse("a case", &["*"], DateTime::from_timestamp(1_900_000_000, 0))?;
    let settings = ApiKeySettings::parse("a case", &["keys:read"], None)?;
    let find = async |store: Store, hash: KeyHash| {
        find_caller(&store, &Credential::ApiKey(hash), SessionLimits::default()).await
    };
    let touch = async |store: Store, id: i64| touch_api_key(&store, id).await;
    let list = async |store: Store, position: Position<i64>| api_keys(&store, &position).await;
    let get = async |store: Store, id: i64| api_key(&store, id).await;
    let revoke = async |store: Store, (origin, id): (Origin, i64)| revoke_api_key(&store, &origin, id).await;
    let create = async |store: Store, (origin, record): (Origin, ApiKeyRecord)| {
        create_api_key(&store, &origin, &record).await
    };
    let update = async |store: Store, (origin, id, version, settings): (Origin, i64, i32, ApiKeySettings)| {
        let expected = Expected::Only(Version::from_stored(version));
        update_api_key(&store, &origin, (id, expected), &settings).await
    };
    // The same keys each time, so that a replay stores what the run did.
    let record = |number: u8| ApiKeyRecord {
        hash: KeyHash::from_bytes([number; 32]),
        prefix: "sf_acase".to_owned(),
        settings: settings.clone(),
    };
    let mut cases = Case::each(
        &FIND_CALLER,
        find,
        [
            ("a caller", ANY, seed::hash(10)),
            ("another caller", ANY, seed::hash(20)),
            ("nobody", ANY, KeyHash::OF_NO_KEY),
        ],
    );
    cases.extend(Case::pages(&API_KEYS, list, [100, 5_990, i64::MAX])?);
    cases.extend(Case::each(&API_KEY, get, [("a key", ANY, 30), ("no key", ANY, i64::MAX)]));
    cases.extend(Case::each(
        &UPDATE_API_KEY,
        update,
        [
            ("a key that expires", ANY, (by_user(), 40, 1, expiring.clone())),
            ("a key that does not expire", ANY, (by_program(), 60, 1, settings.clone())),
            ("another version", ANY, (by_user(), 60, 2, settings.clone())),
            ("no key", ANY, (by_user(), i64::MAX, 1, settings.clone())),
        ],
    ));
    cases.extend(Case::each(
        &REVOKE_API_KEY,
        revoke,
        [
            ("a key", ANY, (by_user(), 50)),
            ("another key", ANY, (by_program(), 51)),
            ("a revoked key", ANY, (by_user(), 52)),
            ("no key", ANY, (by_user(), i64::MAX)),
        ],
    ));
    cases.extend(Case::each(
        &TOUCH_API_KEY,
        touch,
        [("a key", ANY, 14), ("a new key", ANY, 15), ("a key in use", ANY, 13), ("no key", ANY, i64::MAX)],
    ));
    cases.extend(Case::each(
        &CREATE_API_KEY,
        create,
        [
            ("without idempotency key", ANY, (origin(None)?, record(1))),
            ("of a user", ANY, (by_user(), record(5))),
            ("of a user, with idempotency key", ANY, (keyed(by_user(), "a-users-case")?, record(6))),
            ("with idempotency key", ANY, (origin(Some("a-case"))?, record(2))),
            ("a key that expires", ANY, (origin(None)?, ApiKeyRecord { settings: expiring, ..record(4) })),
            ("with the key of another request", ANY, (origin(Some("request-7"))?, record(3))),
        ],
    ));
    Ok(cases)
}
