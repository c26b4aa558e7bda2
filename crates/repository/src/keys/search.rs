//! Search of the stored keys.
//!
//! The statements are written by hand, because the DSL has no recursive queries: a search finds the distinct products
//! first, by a loose index scan, and then reads the keys of the matching products in the order of the index. A
//! condition on `prd` alone would read the index from its beginning to the first match.

use super::rows::{COLUMNS, KeyRow};
use crate::prelude::*;
use steadfast_domain::keys::{Filter, KeyCursor, REMAINING_UNKNOWN, StoredKey};
use steadfast_postgres::diesel::sql_types::{BigInt, Integer, Text};

/// Lists a page of the keys that match a filter, with the total.
pub const SEARCH: Operation<Read> = paged(Operation::read("keys.search").served_by(&[
    "idx_pidms_keys_prd",
    "idx_pidms_keys_available",
    "idx_pidms_keys_blocked",
    "idx_pidms_keys_remaining",
    // A page inside the product with most keys is read in the order of ids.
    "pidms_keys_pkey",
]));

/// Returns a page of the keys that match `filter`, with the total. Page and count read `idx_pidms_keys_prd`, or
/// `idx_pidms_keys_available` or `idx_pidms_keys_blocked` if `filter` restricts the state of the keys.
pub async fn search(
    store: &Store,
    filter: &Filter,
    position: &Position<KeyCursor>,
) -> Result<Page<StoredKey>, Error> {
    let statements = (|| rows(filter, position), || count(filter));
    let key = |KeyRow { id, status, .. }: &KeyRow| KeyCursor {
        product: status.product.clone(),
        remaining: status.remaining,
        id: *id,
    };
    page(store, &SEARCH, position, statements, key).await
}

/// Selects the keys of the page at `position`, and one key more.
fn rows<'a>(filter: &Filter, position: &'a Position<KeyCursor>) -> Cached<BoxedSql<'a>> {
    cached(match position.cursor() {
        None => {
            filtered(format!("{} OFFSET $5", keys_in(&matching_products(filter, "true"), filter)), filter)
                .bind::<BigInt, _>(position.limit())
                .bind::<BigInt, _>(position.offset())
        }
        Some(cursor) => filtered(keys_after_cursor(filter), filter)
            .bind::<BigInt, _>(position.limit())
            .bind::<Text, _>(&*cursor.product)
            .bind::<Integer, _>(cursor.remaining)
            .bind::<BigInt, _>(cursor.id),
    })
}

/// Counts the matching keys, up to the limit of totals.
fn count(filter: &Filter) -> Cached<BoundedCount<BoxedSql<'static>>> {
    let matching = matching(&matching_products(filter, "true"), filter);
    cached(BoundedCount(filtered(format!("SELECT FROM pidms_keys {matching}"), filter)))
}

/// Binds the parameters of every search: the product as `$1`, and the bounds of `remaining` as `$2` and `$3`.
fn filtered<'a>(sql: String, filter: &Filter) -> BoxedSql<'a> {
    // A bound excludes keys with an unknown number of activations.
    let is_bounded = filter.min_remaining.is_some() || filter.max_remaining.is_some();
    let lowest = if is_bounded { 0 } else { REMAINING_UNKNOWN };
    sql_query(sql)
        .into_boxed()
        .bind::<Text, _>(filter.product.clone().unwrap_or_default())
        .bind::<Integer, _>(filter.min_remaining.unwrap_or(lowest))
        .bind::<Integer, _>(filter.max_remaining.unwrap_or(i32::MAX))
}

/// Returns the condition on `blocked`, which equals the predicate of the partial index that serves it. With a bind
/// parameter, a generic plan could not use that index.
fn blocked(filter: &Filter) -> &'static str {
    filter.blocked.map_or("true", |is_blocked| if is_blocked { "blocked = 1" } else { "blocked = -1" })
}

/// Returns the condition that the product contains `$1`, ignoring case, for the products that satisfy `from`. Reads one
/// index entry per product.
fn matching_products(filter: &Filter, from: &str) -> String {
    let blocked = blocked(filter);
    format!(
        "prd = ANY(ARRAY(WITH RECURSIVE products(prd) AS (\
         (SELECT prd FROM pidms_keys WHERE {blocked} AND {from} ORDER BY prd LIMIT 1) \
         UNION ALL \
         SELECT (SELECT next.prd FROM pidms_keys next WHERE {blocked} AND next.prd > products.prd \
         ORDER BY next.prd LIMIT 1) FROM products WHERE products.prd IS NOT NULL) \
         SELECT prd FROM products WHERE strpos(lower(prd), lower($1)) > 0))"
    )
}

/// Returns the conditions on the keys in `range`, and their order.
fn matching(range: &str, filter: &Filter) -> String {
    let blocked = blocked(filter);
    format!("WHERE {range} AND {blocked} AND remaining BETWEEN $2 AND $3 ORDER BY prd, remaining DESC, id")
}

/// Selects the first `$4` matching keys in `range`.
fn keys_in(range: &str, filter: &Filter) -> String {
    format!("SELECT {COLUMNS} FROM pidms_keys {} LIMIT $4", matching(range, filter))
}

/// Selects `$4` keys after the one with product `$5`, remaining `$6` and id `$7`: keys with the same number, keys of
/// the same product, and keys of later products. Each part reads a range of the index; a single condition would read
/// all keys before the cursor.
fn keys_after_cursor(filter: &Filter) -> String {
    // True for every cursor that a search returned. A forged cursor cannot reveal products that do not match.
    let ours = "strpos(lower($5), lower($1)) > 0";
    let same_number = keys_in(&format!("{ours} AND prd = $5 AND remaining = $6 AND id > $7"), filter);
    let same_product = keys_in(&format!("{ours} AND prd = $5 AND remaining < $6"), filter);
    let later_products = keys_in(&matching_products(filter, "prd > $5"), filter);
    format!(
        "SELECT {COLUMNS} FROM (({same_number}) UNION ALL ({same_product}) UNION ALL ({later_products})) page \
         ORDER BY prd, remaining DESC, id LIMIT $4"
    )
}
