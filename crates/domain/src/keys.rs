//! Product keys: what people paste, what is stored of a key, and how stored keys are searched.

mod checks;
mod products;
mod search;

pub use checks::{MAX_KEYS, Pasted, ProductKey, RejectedLine};
pub use products::{LOW_INVENTORY_BELOW, PRODUCTS_PAGE, ProductSummary};
pub use search::{Blocked, Filter, FilterParameters, KEYS_PAGE, KeyCursor, blocked_schema};

use chrono::{DateTime, Utc};

/// The sentinel of `remaining` for "not applicable or not known". Never part of a total.
pub const REMAINING_UNKNOWN: i32 = -1;

/// What is known of one key. The texts are the upstream's.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyStatus {
    /// The key.
    pub key: ProductKey,
    /// Product code, e.g. `Office16_ProPlusVL_MAK`.
    pub product: String,
    /// Extended product id.
    pub extended_pid: Option<String>,
    /// Type of the key; upstream does not document its meaning.
    pub key_type: Option<String>,
    /// 1 retail, 2 volume.
    pub is_retail: Option<i32>,
    /// Sub type, e.g. `X21-74564`.
    pub sub_type: Option<String>,
    /// Activations left, or [`REMAINING_UNKNOWN`].
    pub remaining: i32,
    /// Whether the key is blocked.
    pub blocked: bool,
    /// Upstream's code, e.g. `0xC004C060` or `Online Key`.
    pub error_code: Option<String>,
    /// Upstream's own flag that something went wrong while it checked.
    pub had_occurred: Option<i32>,
    /// 1 when upstream holds the key for invalid.
    pub invalid: Option<i32>,
    /// When upstream checked it, in its own words.
    pub checked_text: Option<String>,
    /// The same moment, where the words could be read.
    pub checked_at: Option<DateTime<Utc>>,
}

/// A stored key.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredKey {
    /// Row id.
    pub id: i64,
    /// What is known of the key.
    pub status: KeyStatus,
    /// When it was first stored.
    pub created_at: DateTime<Utc>,
    /// When it was last checked again; `None` since it was first stored.
    pub updated_at: Option<DateTime<Utc>>,
}

/// What became of a key that was handed over to be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Upserted {
    /// The key as it is stored now.
    pub stored: StoredKey,
    /// Whether it was not stored before.
    pub is_new: bool,
}
