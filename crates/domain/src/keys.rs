//! Product keys: parsing of pasted keys, stored keys, and search filters.

mod checks;
mod products;
mod search;

pub use checks::{MAX_KEYS, Pasted, ProductKey, RejectedLine};
pub use products::{LOW_INVENTORY_BELOW, PRODUCTS_PAGE, ProductSummary};
pub use search::{Filter, FilterParameters, KEYS_PAGE, KeyCursor, blocked_schema};

use chrono::{DateTime, Utc};

/// Value of `remaining` if the number is unknown or not applicable. Totals exclude it.
pub const REMAINING_UNKNOWN: i32 = -1;

/// Status of a key. Its texts come from PIDKey.com.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyStatus {
    /// The key.
    pub key: ProductKey,
    /// Product code, e.g. `Office16_ProPlusVL_MAK`.
    pub product: String,
    /// Extended product id.
    pub extended_pid: Option<String>,
    /// Type of the key. PIDKey.com does not document its meaning.
    pub key_type: Option<String>,
    /// 1 for retail, 2 for volume.
    pub is_retail: Option<i32>,
    /// Subtype, e.g. `X21-74564`.
    pub sub_type: Option<String>,
    /// Activations left, or [`REMAINING_UNKNOWN`].
    pub remaining: i32,
    /// True if the key is blocked.
    pub blocked: bool,
    /// Result code of PIDKey.com, e.g. `0xC004C060` or `Online Key`.
    pub error_code: Option<String>,
    /// Flag of PIDKey.com for an error during the check.
    pub had_occurred: Option<i32>,
    /// 1 if PIDKey.com considers the key invalid.
    pub invalid: Option<i32>,
    /// Time of the check, as PIDKey.com formats it.
    pub checked_text: Option<String>,
    /// Time of the check, if `checked_text` could be parsed.
    pub checked_at: Option<DateTime<Utc>>,
}

impl KeyStatus {
    /// Returns the status of a key that is not blocked and of which only the product is known.
    pub fn new(key: ProductKey, product: impl Into<String>) -> Self {
        Self {
            key,
            product: product.into(),
            extended_pid: None,
            key_type: None,
            is_retail: None,
            sub_type: None,
            remaining: REMAINING_UNKNOWN,
            blocked: false,
            error_code: None,
            had_occurred: None,
            invalid: None,
            checked_text: None,
            checked_at: None,
        }
    }
}

/// A stored key.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredKey {
    /// Row id.
    pub id: i64,
    /// Status as of the last check.
    pub status: KeyStatus,
    /// Time of the first check.
    pub created_at: DateTime<Utc>,
    /// Time of the last check; `None` if the key was checked once.
    pub updated_at: Option<DateTime<Utc>>,
}

/// Result of storing a key.
#[derive(Clone, Debug, PartialEq)]
pub struct Upserted {
    /// The stored key.
    pub stored: StoredKey,
    /// True if the key was inserted rather than updated.
    pub is_new: bool,
}
