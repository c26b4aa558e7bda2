//! Search of the stored keys. The names of a key's fields are those of PIDKey.com.

use super::READ;
use crate::envelope::Envelope;
use crate::extract::Paged;
use crate::problem::Problem;
use crate::route::Route;
use crate::state::AppState;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use steadfast_domain::Invalid;
use steadfast_domain::keys::{FilterParameters, KEYS_PAGE, KeyStatus, StoredKey, blocked_schema};
use steadfast_repository::{Store, keys};
use utoipa::ToSchema;

/// Product of a key that PIDKey.com does not know.
const UNKNOWN: &str = "UNKNOWN";

/// `blocked` of a key that is not blocked.
const NOT_BLOCKED: i32 = -1;

/// `blocked` of a blocked key.
const BLOCKED: i32 = 1;

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
) -> Result<Envelope<Vec<Key>>, Problem> {
    let (filter, position) = Invalid::both(filter.parse(), page.position(KEYS_PAGE))?;
    let found = keys::search(&store, &filter, &position).await?.map(Key::from);
    Ok(Envelope::page(found, "keys", |keys| keys))
}

/// A product key and its status.
#[derive(Serialize, ToSchema)]
#[schema(as = ProductKey)]
pub(super) struct Key {
    /// Row id; null if the key is not stored.
    id: Option<i64>,
    /// 25 letters and digits.
    keyname: String,
    /// The key in five groups of five.
    keyname_with_dash: String,
    /// Product code; `UNKNOWN` if the key is not stored.
    prd: String,
    /// Extended product id.
    eid: Option<String>,
    /// Type of the key.
    is_key_type: Option<String>,
    /// 1 retail, 2 volume.
    is_retail: Option<i32>,
    /// Sub type.
    sub: Option<String>,
    /// Activations left; -1 if not applicable or unknown.
    remaining: i32,
    /// 1 if blocked, -1 if not.
    #[schema(schema_with = blocked_schema)]
    blocked: i32,
    /// Code of PIDKey.com for the state of the key.
    errorcode: Option<String>,
    /// 1 if an error occurred at PIDKey.com.
    had_occurred: Option<i32>,
    /// 1 if PIDKey.com considers the key invalid.
    invalid: Option<i32>,
    /// Time of the check as PIDKey.com sent it.
    datetime_checked_done: Option<String>,
    /// Time when the key was first stored; null if it is not stored.
    created_at: Option<DateTime<Utc>>,
    /// Time of the last later check.
    updated_at: Option<DateTime<Utc>>,
}

impl From<StoredKey> for Key {
    fn from(stored: StoredKey) -> Self {
        let StoredKey { id, status, created_at, updated_at } = stored;
        let KeyStatus {
            key,
            product,
            extended_pid,
            key_type,
            is_retail,
            sub_type,
            remaining,
            blocked,
            error_code,
            had_occurred,
            invalid,
            checked_text,
            checked_at: _,
        } = status;
        Self {
            id: Some(id),
            keyname: key.as_str().to_owned(),
            keyname_with_dash: key.dashed(),
            prd: product,
            eid: extended_pid,
            is_key_type: key_type,
            is_retail,
            sub: sub_type,
            remaining,
            blocked: if blocked { BLOCKED } else { NOT_BLOCKED },
            errorcode: error_code,
            had_occurred,
            invalid,
            datetime_checked_done: checked_text,
            created_at: Some(created_at),
            updated_at,
        }
    }
}

impl Key {
    /// Returns a key that is not stored, of which only the text is known.
    pub(super) fn unknown(keyname: String, keyname_with_dash: String) -> Self {
        Self {
            id: None,
            keyname,
            keyname_with_dash,
            prd: UNKNOWN.to_owned(),
            eid: None,
            is_key_type: None,
            is_retail: None,
            sub: None,
            remaining: 0,
            blocked: NOT_BLOCKED,
            errorcode: None,
            had_occurred: None,
            invalid: None,
            datetime_checked_done: None,
            created_at: None,
            updated_at: None,
        }
    }
}
