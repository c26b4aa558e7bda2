//! Cases of the operations on product keys.

use super::seed::{self, RARE_PRODUCT};
use super::{PRODUCTS, SEARCH, UPSERT, products, search, upsert};
use crate::Store;
use crate::cases::{ANY, Case};
use steadfast_domain::Invalid;
use steadfast_domain::keys::{Blocked, Filter, KeyCursor, KeyStatus};
use steadfast_domain::page::Position;

const PRD: &[&str] = &["idx_pidms_keys_prd"];
const AVAILABLE: &[&str] = &["idx_pidms_keys_available"];
const BLOCKED: &[&str] = &["idx_pidms_keys_blocked"];
const REMAINING: &[&str] = &["idx_pidms_keys_remaining"];
const KEYNAME: &[&str] = &["ix_pidms_keys_keyname"];

/// First key number that no seeded row has. Each case stores numbers that no other case uses.
const UNSEEDED: u64 = 1 << 40;

/// Last of the products that contain "office".
const LAST_OFFICE: &str = "Office21_StdVL_MAK";

/// Returns the cases of this area.
pub(crate) fn all() -> Result<Vec<Case>, Invalid> {
    Ok([upserts(), pages_of_products()?, searches()?].into_iter().flatten().collect())
}

fn upserts() -> Vec<Case> {
    let run = async |store: Store, statuses: Vec<KeyStatus>| upsert(&store, &statuses).await;
    let some_new = (0..25).chain(UNSEEDED + 200..UNSEEDED + 225);
    let inputs = [
        ("one new", statuses(UNSEEDED..UNSEEDED + 1)),
        ("fifty new", statuses(UNSEEDED + 100..UNSEEDED + 150)),
        ("one stored", statuses(0..1)),
        ("fifty stored", statuses(0..50)),
        ("some new, some stored", statuses(some_new)),
    ];
    Case::each(&UPSERT, run, inputs.map(|(name, statuses)| (name, KEYNAME, statuses)))
}

fn pages_of_products() -> Result<Vec<Case>, Invalid> {
    let run = async |store: Store, position: Position<String>| products(&store, &position).await;
    let after = |product: &str| Position::after(product.to_owned(), 20);
    let inputs = [
        ("all", Position::numbered(1, 100)?),
        ("the second page", Position::numbered(2, 20)?),
        ("after a cursor", after(&seed::product(0))),
        ("past the last page", Position::numbered(100, 100)?),
        ("after a cursor near the end", after("Windows11_ProPlusVL_MAK")),
        ("after the last product", after("~")),
    ];
    Ok(Case::each(&PRODUCTS, run, inputs.map(|(name, position)| (name, ANY, position))))
}

fn searches() -> Result<Vec<Case>, Invalid> {
    use Blocked::{No, Yes};
    let run = async |store: Store, (filter, position): (Filter, Position<KeyCursor>)| {
        search(&store, &filter, &position).await
    };
    let filter = |product: &str, min_remaining, max_remaining, blocked| Filter {
        product: Some(product.to_owned()).filter(|product| !product.is_empty()),
        min_remaining,
        max_remaining,
        blocked,
    };
    let of = |product| filter(product, None, None, None);
    let left = |min, max| filter("", min, max, None);
    let (available, blocked) = (filter("", None, None, Some(No)), filter("", None, None, Some(Yes)));
    let first = [
        ("rare", PRD, of(RARE_PRODUCT)),
        ("common", PRD, of("office")),
        ("absent", PRD, of("Lotus123")),
        ("wildcard", PRD, of("%")),
        ("widest", PRD, of("")),
        ("at least 100 left", PRD, left(Some(100), None)),
        ("at most 5 left", PRD, left(None, Some(5))),
        // Depending on the size of the data, this uses the index on the number or visits one product after another.
        ("an exact number left", ANY, left(Some(4_321), Some(4_321))),
        ("more left than any key has", REMAINING, left(Some(1_000_000), None)),
        ("a range left", ANY, filter("office", Some(10), Some(20), None)),
        ("usable", AVAILABLE, available.clone()),
        ("usable of a product with many left", AVAILABLE, filter("Office", Some(100), None, Some(No))),
        ("usable and absent", AVAILABLE, filter("Lotus123", None, None, Some(No))),
        ("blocked", BLOCKED, blocked.clone()),
        ("blocked of a rare product", BLOCKED, filter(RARE_PRODUCT, None, None, Some(Yes))),
        ("blocked and absent", BLOCKED, filter("Lotus123", None, None, Some(Yes))),
    ];
    let page = Position::numbered(1, 50)?;
    let mut inputs = first.map(|(name, index, filter)| (name, index, (filter, page.clone()))).to_vec();
    let third = Position::numbered(3, 50)?;
    let after = |product: &str, remaining| {
        Position::after(KeyCursor { product: product.to_owned(), remaining, id: 500 }, 50)
    };
    let (middle, half, end) = ("Office16_ProPlusVL_MAK", filter("office", None, None, Some(No)), "~");
    let blocked_half = filter("office", None, None, Some(Yes));
    inputs.extend([
        ("usable, the third page", AVAILABLE, (available, third.clone())),
        ("blocked, the third page", BLOCKED, (blocked, third)),
        ("the hundredth page", PRD, (of(""), Position::numbered(100, 50)?)),
        // Half of all keys have none left.
        ("after a cursor among those with none left", PRD, (of(""), after(middle, 0))),
        ("after a cursor", PRD, (of("office"), after(middle, 40))),
        ("the last page", ANY, (of("office"), after(LAST_OFFICE, -1))),
        ("after the last key", ANY, (of("office"), after(end, 0))),
        ("usable, after a cursor", AVAILABLE, (half.clone(), after(middle, 40))),
        ("usable, the last page", ANY, (half.clone(), after(LAST_OFFICE, -1))),
        ("usable, after the last key", ANY, (half, after(end, 0))),
        ("blocked, after a cursor", BLOCKED, (blocked_half.clone(), after(middle, 40))),
        // Few keys are blocked, so those with none left belong to their last page.
        ("blocked, the last page", ANY, (blocked_half.clone(), after(LAST_OFFICE, 0))),
        ("blocked, after the last key", ANY, (blocked_half, after(end, 0))),
    ]);
    Ok(Case::each(&SEARCH, run, inputs))
}

fn statuses(numbers: impl Iterator<Item = u64>) -> Vec<KeyStatus> {
    numbers.filter_map(status).collect()
}

fn status(number: u64) -> Option<KeyStatus> {
    Some(KeyStatus {
        key: seed::product_key(number)?,
        product: seed::product(number),
        extended_pid: None,
        key_type: Some("2".to_owned()),
        is_retail: Some(2),
        sub_type: Some("X21-74564".to_owned()),
        remaining: 7,
        blocked: false,
        error_code: None,
        had_occurred: Some(0),
        invalid: None,
        checked_text: None,
        checked_at: None,
    })
}
