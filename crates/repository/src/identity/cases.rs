//! Cases of the operations on API keys.

use super::{CREATE_API_KEY, FIND_CALLER, REVOKE_API_KEY, create_api_key, find_caller, revoke_api_key, seed};
use crate::Store;
use crate::cases::{ANY, Case};
use steadfast_domain::Invalid;
use steadfast_domain::identity::{ApiKeyRecord, KeyHash, Scope};

const HASH: &[&str] = &["api_keys_key_hash_key"];
const ID: &[&str] = &["api_keys_pkey"];

/// Returns the cases of this area.
pub(crate) fn all() -> Result<Vec<Case>, Invalid> {
    let in_use = |nth| seed::in_use().nth(nth).unwrap_or_default();
    let find = async |store: Store, hash: KeyHash| find_caller(&store, &hash).await;
    let revoke = async |store: Store, id: i64| revoke_api_key(&store, id).await;
    let create = async |store: Store, record: ApiKeyRecord| create_api_key(&store, &record).await;
    // The same key each time, so that a replay stores what the run did.
    let record = ApiKeyRecord {
        name: "a case".to_owned(),
        hash: KeyHash::from_bytes([1; 32]),
        prefix: "sf_acase".to_owned(),
        scopes: vec![Scope::parse("keys:read")?],
    };
    let finds = [
        ("a caller", HASH, seed::hash(in_use(0))),
        ("another caller", HASH, seed::hash(in_use(1))),
        ("nobody", HASH, KeyHash::OF_NO_KEY),
    ];
    let revokes = [("a key", ID, in_use(2) as i64 + 1), ("no key", ID, i64::MAX)];
    let mut cases = Case::each(&FIND_CALLER, find, finds);
    cases.extend(Case::each(&REVOKE_API_KEY, revoke, revokes));
    cases.extend(Case::each(&CREATE_API_KEY, create, [("a key", ANY, record)]));
    Ok(cases)
}
