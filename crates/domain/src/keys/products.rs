//! Totals of the stored keys by product.

use crate::page::PageLimits;

/// Page sizes of the list of products, of which there are usually some dozens.
pub const PRODUCTS_PAGE: PageLimits = PageLimits { default: 100, max: 1_000 };

/// Activations left on all keys of a product below which its inventory is low.
pub const LOW_INVENTORY_BELOW: i64 = 5;

/// Totals of the stored keys of one product. Keys with [`REMAINING_UNKNOWN`](super::REMAINING_UNKNOWN) count as keys, not as activations.
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
