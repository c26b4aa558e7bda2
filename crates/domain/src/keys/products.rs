//! Totals of the stored keys by product.

use crate::page::PageLimits;

/// Page sizes of the list of products.
pub const PRODUCTS_PAGE: PageLimits = PageLimits { default: 100, max: 1_000 };

/// Total number of activations left of a product, below which its inventory is low.
pub const LOW_INVENTORY_BELOW: i64 = 5;

/// Totals of the stored keys of a product. Keys with [`REMAINING_UNKNOWN`](super::REMAINING_UNKNOWN) are counted, but
/// contribute no activations.
#[derive(Clone, Debug, PartialEq)]
pub struct ProductSummary {
    /// Product code.
    pub product: String,
    /// Number of stored keys.
    pub key_count: i64,
    /// Number of keys with a known number of activations left.
    pub known_count: i64,
    /// Total number of activations left on those keys.
    pub total_remaining: i64,
}

impl ProductSummary {
    /// Returns the average number of activations left on keys with a known number, rounded to two decimals. Returns 0
    /// if there is no such key.
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
    fn average_excludes_keys_with_unknown_number() {
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
