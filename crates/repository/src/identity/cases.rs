//! Cases of the operations on API keys.

use super::{
    API_KEY, API_KEYS, CREATE_API_KEY, FIND_CALLER, REVOKE_API_KEY, UPDATE_API_KEY, api_key, api_keys,
    create_api_key, find_caller, revoke_api_key, seed, update_api_key,
};
use crate::audit::cases::origin;
use crate::cases::{ANY, Case};
use crate::prelude::*;
use steadfast_domain::Invalid;
use steadfast_domain::audit::Origin;
use steadfast_domain::identity::{ApiKeyRecord, ApiKeySettings, KeyHash};
use steadfast_domain::version::{Expected, Version};

/// Returns the cases of this area.
pub(crate) fn all() -> Result<Vec<Case>, Invalid> {
    let expiring = ApiKeySettings::parse("a case", &["*"], DateTime::from_timestamp(1_900_000_000, 0))?;
    let settings = ApiKeySettings::parse("a case", &["keys:read"], None)?;
    let find = async |store: Store, hash: KeyHash| find_caller(&store, &hash).await;
    let list = async |store: Store, position: Position<i64>| api_keys(&store, &position).await;
    let get = async |store: Store, id: i64| api_key(&store, id).await;
    let revoke = async |store: Store, id: i64| revoke_api_key(&store, &Origin::operator("a case"), id).await;
    let create = async |store: Store, (origin, record): (Origin, ApiKeyRecord)| {
        create_api_key(&store, &origin, &record).await
    };
    let update = async |store: Store, (id, version, settings): (i64, i32, ApiKeySettings)| {
        let expected = Expected::Only(Version::from_stored(version));
        update_api_key(&store, &Origin::operator("a case"), (id, expected), &settings).await
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
            ("a key that expires", ANY, (40, 1, expiring.clone())),
            ("a key that does not expire", ANY, (60, 1, settings.clone())),
            ("another version", ANY, (60, 2, settings.clone())),
            ("no key", ANY, (i64::MAX, 1, settings.clone())),
        ],
    ));
    cases.extend(Case::each(
        &REVOKE_API_KEY,
        revoke,
        [("a key", ANY, 50), ("a revoked key", ANY, 52), ("no key", ANY, i64::MAX)],
    ));
    cases.extend(Case::each(
        &CREATE_API_KEY,
        create,
        [
            ("without idempotency key", ANY, (origin(None)?, record(1))),
            ("with idempotency key", ANY, (origin(Some("a-case"))?, record(2))),
            ("a key that expires", ANY, (origin(None)?, ApiKeyRecord { settings: expiring, ..record(4) })),
            ("with the key of another request", ANY, (origin(Some("request-7"))?, record(3))),
        ],
    ));
    Ok(cases)
}
