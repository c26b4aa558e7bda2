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

/// Products of the case that has many.
const MANY_PRODUCTS: u64 = 2_000;

/// Keys that are stored at once.
const BATCH: usize = 50;

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
        // The seeded products are a page of the table, which is read as a whole.
        Case::new(&PRODUCTS, "after a cursor, of many", &["pidms_products_pkey"], async |store| {
            for start in (0..MANY_PRODUCTS).step_by(BATCH) {
                let statuses: Vec<KeyStatus> =
                    (start..start + BATCH as u64).filter_map(one_of_many).collect();
                upsert(&store, &statuses).await?;
            }
            products(&store, &after_product(product_of_many(MANY_PRODUCTS / 2))).await.map(drop)
        })
        .heavy(),
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
    ];
    for (name, index, product, min_remaining, max_remaining, blocked) in filters {
        cases.push(pages(name, index, Filter { product, min_remaining, max_remaining, blocked }));
    }
    for (name, index, blocked) in [
        ("after a cursor", PRD, None),
        ("usable, after a cursor", AVAILABLE, Some(Blocked::No)),
        ("blocked, after a cursor", BLOCKED, Some(Blocked::Yes)),
    ] {
        let filter = Filter { product: text("office"), blocked, ..Filter::default() };
        let cursor = Cursor { product: "Office16_ProPlusVL_MAK".to_owned(), remaining: 40, id: 500 };
        cases.push(at(name, index, filter, Position::After(cursor, 50)));
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

fn product_of_many(number: u64) -> String {
    format!("Many{number:05}")
}

fn one_of_many(number: u64) -> Option<KeyStatus> {
    Some(KeyStatus { product: product_of_many(number), ..status(UNSEEDED + 1_000 + number)? })
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
