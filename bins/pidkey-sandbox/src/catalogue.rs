//! The products of the sandbox and their frequencies.
//!
//! Real inventories are skewed: a few volume products have most of the keys. Queries that are fast on uniform data may be
//! slow on these, so the weights follow Zipf's law.

use std::sync::LazyLock;

const OFFICE: [&str; 5] = ["Office16", "Office15", "Office19", "Office21", "Office14"];
const OFFICE_EDITIONS: [&str; 4] = ["ProPlus", "Standard", "ProjectPro", "VisioPro"];
const WINDOWS: [&str; 5] = ["Windows10", "Windows11", "Windows7", "Windows81", "WindowsServer2019"];
const WINDOWS_EDITIONS: [&str; 4] = ["Professional", "Enterprise", "Education", "Essentials"];

/// Weight of the most common product. The product at rank `n` has this weight divided by `n`.
const TOP_WEIGHT: u64 = 1_000_000;

/// Sales channel of a product, which determines the fields of its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    /// Volume keys, which count their activations.
    Mak,
    /// Single keys, which are online or not.
    Retail,
}

/// Product with its code as PIDKey.com writes it.
#[derive(Clone, Debug)]
pub(crate) struct Product {
    pub(crate) code: String,
    pub(crate) channel: Channel,
}

struct Catalogue {
    products: Vec<Product>,
    /// Cumulative weights.
    cumulated: Vec<u64>,
}

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
    let products = products();
    let cumulated = (1_u64..=products.len() as u64)
        .scan(0, |sum, rank| {
            *sum += TOP_WEIGHT / rank;
            Some(*sum)
        })
        .collect();
    Catalogue { products, cumulated }
});

/// Returns the products, most common first: volume before retail, and Office and Windows alternating.
fn products() -> Vec<Product> {
    let mut products = Vec::new();
    for channel in [Channel::Mak, Channel::Retail] {
        for edition in 0..OFFICE_EDITIONS.len() {
            for version in 0..OFFICE.len() {
                products.push(office(OFFICE[version], OFFICE_EDITIONS[edition], channel));
                products.push(windows(WINDOWS[version], WINDOWS_EDITIONS[edition], channel));
            }
        }
    }
    products
}

fn office(version: &str, edition: &str, channel: Channel) -> Product {
    let suffix = match channel {
        Channel::Mak => "VL_MAK",
        Channel::Retail => "R_Retail",
    };
    Product { code: format!("{version}_{edition}{suffix}"), channel }
}

fn windows(version: &str, edition: &str, channel: Channel) -> Product {
    let suffix = match channel {
        Channel::Mak => "MAK",
        Channel::Retail => "Retail",
    };
    Product { code: format!("{version}_{edition}_{suffix}"), channel }
}

/// Returns the product for a number that is uniformly distributed over `u64`.
pub(crate) fn pick(draw: u64) -> &'static Product {
    let Catalogue { products, cumulated } = &*CATALOGUE;
    let total = cumulated.last().copied().unwrap_or(1);
    let target = draw % total;
    let rank = cumulated.partition_point(|&sum| sum <= target);
    &products[rank]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn catalogue_has_eighty_products() {
        let codes: BTreeSet<String> = products().into_iter().map(|product| product.code).collect();
        assert_eq!(codes.len(), 80);
        assert!(codes.contains("Office16_ProPlusVL_MAK"), "{codes:?}");
        assert!(codes.contains("Office15_StandardVL_MAK"), "{codes:?}");
    }

    #[test]
    fn every_number_selects_a_product() {
        for draw in [0, 1, TOP_WEIGHT - 1, TOP_WEIGHT, u64::MAX / 2, u64::MAX] {
            assert!(!pick(draw).code.is_empty());
        }
        assert_eq!(pick(0).code, "Office16_ProPlusVL_MAK");
        assert_ne!(
            pick(TOP_WEIGHT).code,
            pick(TOP_WEIGHT - 1).code,
            "the weight of the first product ends before this number"
        );
    }
}
