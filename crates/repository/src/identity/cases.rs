//! The cases of the operations on API keys.

use super::{CREATE_API_KEY, FIND_CALLER, REVOKE_API_KEY, create_api_key, find_caller, revoke_api_key, seed};
use crate::cases::Case;
use steadfast_domain::identity::{ApiKeyRecord, KeyHash, Scope};

const HASH: &[&str] = &["api_keys_key_hash_key"];
const ID: &[&str] = &["api_keys_pkey"];

/// All of them.
pub(crate) fn all() -> Vec<Case> {
    let in_use = |nth| seed::in_use().nth(nth).unwrap_or_default();
    let revoked = in_use(2) as i64 + 1;
    vec![
        finds("a caller", seed::hash(in_use(0))),
        finds("another caller", seed::hash(in_use(1))),
        finds("nobody", KeyHash::OF_NO_KEY),
        Case::new(&REVOKE_API_KEY, "a key", ID, move |store| async move {
            revoke_api_key(&store, revoked).await.map(drop)
        }),
        Case::new(&REVOKE_API_KEY, "no key", ID, async |store| {
            revoke_api_key(&store, i64::MAX).await.map(drop)
        }),
        Case::new(&CREATE_API_KEY, "a key", &[], async |store| match record() {
            Some(record) => create_api_key(&store, &record).await.map(drop),
            None => Ok(()),
        }),
    ]
}

fn finds(name: &'static str, hash: KeyHash) -> Case {
    Case::new(
        &FIND_CALLER,
        name,
        HASH,
        move |store| async move { find_caller(&store, &hash).await.map(drop) },
    )
}

/// The same each time, so that a replay stores what the run did.
fn record() -> Option<ApiKeyRecord> {
    Some(ApiKeyRecord {
        name: "a case".to_owned(),
        hash: KeyHash::from_bytes([1; 32]),
        prefix: "sf_acase".to_owned(),
        scopes: vec![Scope::parse("keys:read").ok()?],
    })
}
