//! The cases of the operations on product keys.

use super::seed::{self, RARE_PRODUCT};
use super::{PRODUCTS, SEARCH, UPSERT, products, search, upsert};
use crate::cases::Case;
use steadfast_domain::Invalid;
use steadfast_domain::keys::{Blocked, Cursor, Filter, KeyStatus, Position, ProductCursor, ProductPosition};

const PRD: &[&str] = &["idx_pidms_keys_prd"];
const AVAILABLE: &[&str] = &["idx_pidms_keys_available"];
const BLOCKED: &[&str] = &["idx_pidms_keys_blocked"];
const REMAINING: &[&str] = &["idx_pidms_keys_remaining"];
const KEYNAME: &[&str] = &["ix_pidms_keys_keyname"];

/// A number that no seeded row has. What one case stores is new to the others.
const UNSEEDED: u64 = 1 << 40;

/// The last of the products that contain "office".
const LAST_OFFICE: &str = "Office21_StdVL_MAK";

/// A text after which a few of the seeded products are.
const LAST_BUT_ONE_PRODUCT: &str = "Windows11_ProPlusVL_MAK";

/// All of them.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = vec![
        writes("one new", UNSEEDED..UNSEEDED + 1),
        writes("fifty new", UNSEEDED + 100..UNSEEDED + 150),
        writes("one stored", 0..1),
        writes("fifty stored", 0..50),
        writes("some new, some stored", (0..25).chain(UNSEEDED + 200..UNSEEDED + 225)),
        products_at("all", ProductPosition::new(None, None, None)),
        products_at("the second page", ProductPosition::new(Some(2), Some(20), None)),
        products_at("after a cursor", Ok(after_product(seed::product(0)))),
        products_at("past the last page", ProductPosition::new(Some(100), None, None)),
        products_at("after a cursor near the end", Ok(after_product(LAST_BUT_ONE_PRODUCT.to_owned()))),
        products_at("after the last product", Ok(after_product("~".to_owned()))),
    ];
    for (name, product) in [
        ("rare", RARE_PRODUCT),
        ("common", "office"),
        ("absent", "Lotus123"),
        ("wildcard", "%"),
        ("widest", ""),
    ] {
        cases.push(pages(name, PRD, Filter { product: text(product), ..Filter::default() }));
    }
    let filters = [
        ("at least 100 left", PRD, None, Some(100), None, None),
        ("at most 5 left", PRD, None, None, Some(5), None),
        // Some sizes of the data make it the index on the number, others the products one after another.
        ("an exact number left", &[], None, Some(4_321), Some(4_321), None),
        ("more left than any key has", REMAINING, None, Some(1_000_000), None, None),
        ("a range left", &[], text("office"), Some(10), Some(20), None),
        ("usable", AVAILABLE, None, None, None, Some(Blocked::No)),
        ("usable of a product with many left", AVAILABLE, text("Office"), Some(100), None, Some(Blocked::No)),
        ("usable and absent", AVAILABLE, text("Lotus123"), None, None, Some(Blocked::No)),
        ("blocked", BLOCKED, None, None, None, Some(Blocked::Yes)),
        ("blocked of a rare product", BLOCKED, text(RARE_PRODUCT), None, None, Some(Blocked::Yes)),
        ("blocked and absent", BLOCKED, text("Lotus123"), None, None, Some(Blocked::Yes)),
    ];
    for (name, index, product, min_remaining, max_remaining, blocked) in filters {
        cases.push(pages(name, index, Filter { product, min_remaining, max_remaining, blocked }));
    }
    cases.extend(after_cursors());
    for (name, index, blocked) in [
        ("usable, the third page", AVAILABLE, Blocked::No),
        ("blocked, the third page", BLOCKED, Blocked::Yes),
    ] {
        cases.push(numbered(name, index, Filter { blocked: Some(blocked), ..Filter::default() }, Some(3)));
    }
    cases.push(numbered("the hundredth page", PRD, Filter::default(), Some(100)));
    // Half of all keys have none left.
    let cursor = Cursor { product: "Office16_ProPlusVL_MAK".to_owned(), remaining: 0, id: 500 };
    cases.push(at(
        "after a cursor among those with none left",
        PRD,
        Filter::default(),
        Position::After(cursor, 50),
    ));
    cases
}

/// Pages in the middle, the last ones and those behind them.
fn after_cursors() -> Vec<Case> {
    let mut cases = Vec::new();
    // Few keys are blocked, so those with none left belong to their last page.
    for (name, of_the_last_page, lowest, index, blocked) in [
        ("after a cursor", ["the last page", "after the last key"], -1, PRD, None),
        (
            "usable, after a cursor",
            ["usable, the last page", "usable, after the last key"],
            -1,
            AVAILABLE,
            Some(Blocked::No),
        ),
        (
            "blocked, after a cursor",
            ["blocked, the last page", "blocked, after the last key"],
            0,
            BLOCKED,
            Some(Blocked::Yes),
        ),
    ] {
        let filter = Filter { product: text("office"), blocked, ..Filter::default() };
        let cursor = Cursor { product: "Office16_ProPlusVL_MAK".to_owned(), remaining: 40, id: 500 };
        cases.push(at(name, index, filter.clone(), Position::After(cursor, 50)));
        let near_the_end = Cursor { product: LAST_OFFICE.to_owned(), remaining: lowest, id: 90_000 };
        cases.push(at(of_the_last_page[0], &[], filter.clone(), Position::After(near_the_end, 50)));
        let last = Cursor { product: "~".to_owned(), remaining: 0, id: 0 };
        cases.push(at(of_the_last_page[1], &[], filter, Position::After(last, 50)));
    }
    cases
}

fn text(product: &str) -> Option<String> {
    Some(product.to_owned()).filter(|product| !product.is_empty())
}

fn pages(name: &'static str, index: &'static [&'static str], filter: Filter) -> Case {
    numbered(name, index, filter, None)
}

/// A page by its number, of the default size; what the numbers are is the domain's affair.
fn numbered(name: &'static str, index: &'static [&'static str], filter: Filter, number: Option<u64>) -> Case {
    match Position::new(number, None, None) {
        Ok(position) => at(name, index, filter, position),
        Err(_) => unreachable!("page {number:?} exists"),
    }
}

fn at(name: &'static str, index: &'static [&'static str], filter: Filter, position: Position) -> Case {
    Case::new(&SEARCH, name, index, move |store| {
        let (filter, position) = (filter.clone(), position.clone());
        async move { search(&store, &filter, &position).await.map(drop) }
    })
}

fn products_at(name: &'static str, position: Result<ProductPosition, Invalid>) -> Case {
    Case::new(&PRODUCTS, name, &[], move |store| {
        let position = position.clone();
        async move {
            match position {
                Ok(position) => products(&store, &position).await.map(drop),
                Err(_) => Ok(()),
            }
        }
    })
}

fn after_product(product: String) -> ProductPosition {
    ProductPosition::After(ProductCursor(product), 20)
}

fn writes(name: &'static str, numbers: impl Iterator<Item = u64>) -> Case {
    let statuses: Vec<KeyStatus> = numbers.filter_map(status).collect();
    Case::new(&UPSERT, name, KEYNAME, move |store| {
        let statuses = statuses.clone();
        async move { upsert(&store, &statuses).await.map(drop) }
    })
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
