//! Seed data of product keys: about sixty products, of which a few have most of the keys and one has very few.

use crate::cases::{Rows, Table, mixed};
use bytes::BytesMut;
use std::fmt::Write as _;
use steadfast_domain::keys::ProductKey;

/// Tables of the area.
pub(crate) const TABLES: &[Table] = &[KEYS, PRODUCTS];

const KEYS: Table = Table {
    name: "pidms_keys",
    columns: "id, keyname, keyname_with_dash, prd, eid, is_key_type, is_retail, sub, remaining, blocked, errorcode, \
        had_occurred, invalid, datetime_checked_done, checked_at, created_at, updated_at",
    per_mille: 1000,
    at_most: u64::MAX,
    rows: Rows::Copied(row),
};

/// More products than the keys have, because plans for a tiny table prove nothing, but few enough that the last page
/// can be requested by number. The sums are fictitious.
const PRODUCTS: Table = Table {
    name: "pidms_products",
    columns: "prd, key_count, known_count, total_remaining",
    per_mille: 60,
    at_most: 6_000,
    rows: Rows::Copied(product_row),
};

/// Product with few keys at any scale.
pub(super) const RARE_PRODUCT: &str = "Server12_StdVL_MAK";

/// Number of rows between two keys of the rare product.
const RARE_EVERY: u64 = 5_000;

const FAMILIES: [&str; 10] = [
    "Office16",
    "Office15",
    "Office19",
    "Office21",
    "Windows10",
    "Windows11",
    "Project16",
    "Visio16",
    "Server19",
    "Server22",
];
const EDITIONS: [&str; 6] = [
    "ProPlusVL_MAK",
    "ProPlusR_Retail",
    "StdVL_MAK",
    "HomeBusiness_OEM",
    "EnterpriseVL_GVLK",
    "CoreR_Retail",
];

/// Returns the key of row `number`.
pub(super) fn key(number: u64) -> String {
    // Scattered like real keys: neighbours in the table are not neighbours in the index.
    format!("{:020}{:05}", mixed(number, 1) % 10_u64.pow(19), number % 100_000)
}

/// Returns the key of row `number` as a domain type.
pub(super) fn product_key(number: u64) -> Option<ProductKey> {
    ProductKey::parse(&key(number))
}

/// Returns the product of row `number`. Cubing a uniform random number makes the first products frequent.
pub(super) fn product(number: u64) -> String {
    if number % RARE_EVERY == RARE_EVERY - 1 {
        return RARE_PRODUCT.to_owned();
    }
    let chance = mixed(number, 2) as f64 / u64::MAX as f64;
    ranked((chance.powi(3) * (FAMILIES.len() * EDITIONS.len()) as f64) as usize)
}

fn ranked(rank: usize) -> String {
    format!("{}_{}", FAMILIES[rank % FAMILIES.len()], EDITIONS[rank / FAMILIES.len() % EDITIONS.len()])
}

fn product_row(number: u64, line: &mut BytesMut) {
    let product = match number as usize {
        0 => RARE_PRODUCT.to_owned(),
        rank if rank <= FAMILIES.len() * EDITIONS.len() => ranked(rank - 1),
        other => format!("Access_{other:06}"),
    };
    _ = writeln!(line, "{product}\t1000000\t1000000\t{}", number * 1000);
}

fn row(number: u64, line: &mut BytesMut) {
    let (key, product, chance) = (key(number), product(number), mixed(number, 3));
    let dashed: Vec<&str> = (0..5).map(|group| &key[group * 5..group * 5 + 5]).collect();
    let remaining = match chance % 10 {
        0 => -1,
        1..=5 => 0,
        _ => (chance / 10 % 5_000) as i64,
    };
    let blocked = if chance / 64 % 20 == 0 { 1 } else { -1 };
    let (minute, day) = (number % 60, number % 28 + 1);
    // Writing to memory does not fail.
    _ = writeln!(
        line,
        "{id}\t{key}\t{dashed}\t{product}\t\\N\t2\t{retail}\tX21-74564\t{remaining}\t{blocked}\t\\N\t0\t\\N\t\
         1/{day}/2026 1:{minute}:27 PM (GMT+7)\t2026-01-{day:02} 06:{minute:02}:27+00\t2026-01-{day:02} 06:48:27+00\t\\N",
        id = number + 1,
        dashed = dashed.join("-"),
        retail = chance % 2 + 1,
    );
}
