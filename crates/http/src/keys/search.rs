//! Search of the stored keys. The names of a key's fields are those of PIDKey.com.

use super::READ;
use crate::prelude::*;
use steadfast_domain::keys::{FilterParameters, KEYS_PAGE, StoredKey, blocked_schema};
use steadfast_repository::keys;

/// `blocked` of a key that is not blocked.
pub(super) const NOT_BLOCKED: i32 = -1;

pub(super) fn route() -> Route<AppState> {
    Route::get("/api/pidms/search", READ, search)
        .summary("Search stored keys, ordered by product, then most activations left first")
        .query::<FilterParameters>()
        .paged(KEYS_PAGE)
        .lists::<Key>()
}

async fn search(
    State(store): State<Store>,
    Paged(filter, page): Paged<FilterParameters>,
) -> ApiResult<Vec<Key>> {
    let (filter, position) = Invalid::both(filter.parse(), page.position(KEYS_PAGE))?;
    let found = keys::search(&store, &filter, &position).await?.map(Key::from);
    Ok(Envelope::page(found, "keys", |keys| keys))
}

/// A product key and its status.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = ProductKey)]
pub(super) struct Key {
    /// Row id; null if the key is not stored.
    pub(super) id: Option<i64>,
    /// 25 letters and digits.
    pub(super) keyname: String,
    /// The key in five groups of five.
    pub(super) keyname_with_dash: String,
    /// Product code; `UNKNOWN` if the key is not stored.
    pub(super) prd: String,
    /// Extended product id.
    pub(super) eid: Option<String>,
    /// Type of the key.
    pub(super) is_key_type: Option<String>,
    /// 1 retail, 2 volume.
    pub(super) is_retail: Option<i32>,
    /// Sub type.
    pub(super) sub: Option<String>,
    /// Activations left; -1 if not applicable or unknown.
    pub(super) remaining: i32,
    /// 1 if blocked, -1 if not.
    #[schema(schema_with = blocked_schema)]
    pub(super) blocked: i32,
    /// Code of PIDKey.com for the state of the key.
    pub(super) errorcode: Option<String>,
    /// 1 if an error occurred at PIDKey.com.
    pub(super) had_occurred: Option<i32>,
    /// 1 if PIDKey.com considers the key invalid.
    pub(super) invalid: Option<i32>,
    /// Time of the check as PIDKey.com sent it.
    pub(super) datetime_checked_done: Option<String>,
    /// Time when the key was first stored; null if it is not stored.
    pub(super) created_at: Option<DateTime<Utc>>,
    /// Time of the last later check.
    pub(super) updated_at: Option<DateTime<Utc>>,
}

impl From<StoredKey> for Key {
    fn from(StoredKey { id, status, created_at, updated_at }: StoredKey) -> Self {
        Self {
            id: Some(id),
            keyname: status.key.as_str().to_owned(),
            keyname_with_dash: status.key.dashed(),
            prd: status.product,
            eid: status.extended_pid,
            is_key_type: status.key_type,
            is_retail: status.is_retail,
            sub: status.sub_type,
            remaining: status.remaining,
            blocked: if status.blocked { 1 } else { NOT_BLOCKED },
            errorcode: status.error_code,
            had_occurred: status.had_occurred,
            invalid: status.invalid,
            datetime_checked_done: status.checked_text,
            created_at: Some(created_at),
            updated_at,
        }
    }
}
