//! Product keys: what people paste, what is stored of a key, and how stored keys are searched.

mod pasted;
mod search;

pub use pasted::{MAX_KEYS, Pasted, ProductKey, RejectedLine};
pub use search::{Blocked, Filter, FilterParameters, KEYS_PAGE, KeyCursor, PRODUCTS_PAGE, blocked_schema};

use chrono::{DateTime, Utc};

/// The sentinel of `remaining` for "not applicable or not known". Never part of a total.
pub const REMAINING_UNKNOWN: i32 = -1;

/// A product whose keys have fewer activations left than this, all together, runs low.
pub const LOW_INVENTORY_BELOW: i64 = 5;

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

/// Totals of the stored keys of one product. Keys with [`REMAINING_UNKNOWN`] count as keys, not as activations.
#[derive(Clone, Debug, PartialEq)]
pub struct ProductSummary {
    /// Product code.
    pub product: String,
    /// Number of stored keys.
    pub key_count: i64,
    /// Number of keys whose activations left are known.
    pub known_count: i64,
    /// Activations left on those keys together.
    pub total_remaining: i64,
}

impl ProductSummary {
    /// Returns the activations left per key with a known number, rounded to two decimals; 0 if there is no such key.
    pub fn avg_remaining(&self) -> f64 {
        if self.known_count == 0 {
            return 0.0;
        }
        (self.total_remaining as f64 / self.known_count as f64 * 100.0).round() / 100.0
    }

    /// Returns true if fewer than [`LOW_INVENTORY_BELOW`] activations are left.
    pub fn low_inventory(&self) -> bool {
        self.total_remaining < LOW_INVENTORY_BELOW
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn average_leaves_out_keys_without_a_number() {
        let summary = |known_count| ProductSummary {
            product: "P".into(),
            key_count: 4,
            known_count,
            total_remaining: 4,
        };
        assert_eq!((summary(3).avg_remaining(), summary(0).avg_remaining()), (1.33, 0.0));
        assert!(
            summary(3).low_inventory()
                && !ProductSummary { total_remaining: 5, ..summary(3) }.low_inventory()
        );
    }
}
