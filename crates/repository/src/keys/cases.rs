//! Cases of the operations on product keys.

use super::seed::{self, RARE_PRODUCT};
use super::{PRODUCTS, SEARCH, UPSERT, products, search, upsert};
use crate::cases::{ANY, Case};
use crate::prelude::*;
use steadfast_domain::Invalid;
use steadfast_domain::keys::{Filter, KeyCursor, KeyStatus};

const PRD: &[&str] = &["idx_pidms_keys_prd"];
const AVAILABLE: &[&str] = &["idx_pidms_keys_available"];
const BLOCKED: &[&str] = &["idx_pidms_keys_blocked"];
const REMAINING: &[&str] = &["idx_pidms_keys_remaining"];
const KEYNAME: &[&str] = &["ix_pidms_keys_keyname"];

/// First key number that no seeded row has. Each case stores numbers that no other case uses.
const UNSEEDED: u64 = 1 << 40;

/// Returns the cases of this area.
pub(crate) fn all() -> Result<Vec<Case>, Invalid> {
    let list = async |store: Store, position: Position<String>| products(&store, &position).await;
    let cursors = ["Access_000100", "Windows11_ProPlusVL_MAK", "~"].map(str::to_owned);
    let pages = Case::pages(&PRODUCTS, list, cursors)?;
    Ok([upserts(), pages, searches()?].into_iter().flatten().collect())
}

fn upserts() -> Vec<Case> {
    let run = async |store: Store, statuses: Vec<KeyStatus>| upsert(&store, &statuses).await;
    let status = |number| Some(KeyStatus::new(seed::product_key(number)?, seed::product(number)));
    let inputs = [
        ("one new", UNSEEDED..UNSEEDED + 1, 0..0),
        ("fifty new", UNSEEDED + 100..UNSEEDED + 150, 0..0),
        ("one stored", 0..0, 0..1),
        ("fifty stored", 0..0, 0..50),
        ("some new, some stored", UNSEEDED + 200..UNSEEDED + 225, 0..25),
    ];
    let inputs = inputs.map(|(name, new, old)| (name, KEYNAME, new.chain(old).filter_map(status).collect()));
    Case::each(&UPSERT, run, inputs)
}

fn searches() -> Result<Vec<Case>, Invalid> {
    let run = async |store: Store, (filter, position): (Filter, Position<KeyCursor>)| {
        search(&store, &filter, &position).await
    };
    let filter = |product: &str, min_remaining, max_remaining, blocked| {
        let product = Some(product.to_owned()).filter(|product| !product.is_empty());
        Filter { product, min_remaining, max_remaining, blocked }
    };
    let of = |product| filter(product, None, None, None);
    let left = |min, max| filter("", min, max, None);
    let usable = |product| filter(product, None, None, Some(false));
    let blocked = |product| filter(product, None, None, Some(true));
    let after = |product: &str, remaining| {
        Position::after(KeyCursor { product: product.to_owned(), remaining, id: 500 }, 50)
    };
    let page = |number| Position::numbered(number, 50);
    let (middle, last_office, end) = ("Office16_ProPlusVL_MAK", "Office21_StdVL_MAK", "~");
    let inputs = [
        ("rare", PRD, of(RARE_PRODUCT), page(1)?),
        ("common", PRD, of("office"), page(1)?),
        ("absent", PRD, of("Lotus123"), page(1)?),
        ("wildcard", PRD, of("%"), page(1)?),
        ("widest", PRD, of(""), page(1)?),
        ("at least 100 left", PRD, left(Some(100), None), page(1)?),
        ("at most 5 left", PRD, left(None, Some(5)), page(1)?),
        // Depending on the size of the data, this uses the index on the number or visits one product after another.
        ("an exact number left", ANY, left(Some(4_321), Some(4_321)), page(1)?),
        ("more left than any key has", REMAINING, left(Some(1_000_000), None), page(1)?),
        ("a range left", ANY, filter("office", Some(10), Some(20), None), page(1)?),
        ("usable", AVAILABLE, usable(""), page(1)?),
        ("usable, many left", AVAILABLE, filter("Office", Some(100), None, Some(false)), page(1)?),
        ("usable and absent", AVAILABLE, usable("Lotus123"), page(1)?),
        ("usable, the third page", AVAILABLE, usable(""), page(3)?),
        ("usable, after a cursor", AVAILABLE, usable("office"), after(middle, 40)),
        ("usable, the last page", ANY, usable("office"), after(last_office, -1)),
        ("usable, after the last key", ANY, usable("office"), after(end, 0)),
        ("blocked", BLOCKED, blocked(""), page(1)?),
        ("blocked of a rare product", BLOCKED, blocked(RARE_PRODUCT), page(1)?),
        ("blocked and absent", BLOCKED, blocked("Lotus123"), page(1)?),
        ("blocked, the third page", BLOCKED, blocked(""), page(3)?),
        ("blocked, after a cursor", BLOCKED, blocked("office"), after(middle, 40)),
        // Few keys are blocked, so those with none left belong to their last page.
        ("blocked, the last page", ANY, blocked("office"), after(last_office, 0)),
        ("blocked, after the last key", ANY, blocked("office"), after(end, 0)),
        ("the hundredth page", PRD, of(""), page(100)?),
        // Half of all keys have none left.
        ("after a cursor among those with none left", PRD, of(""), after(middle, 0)),
        ("after a cursor", PRD, of("office"), after(middle, 40)),
        ("the last page", ANY, of("office"), after(last_office, -1)),
        ("after the last key", ANY, of("office"), after(end, 0)),
    ];
    Ok(Case::each(&SEARCH, run, inputs.map(|(name, index, filter, page)| (name, index, (filter, page)))))
}
