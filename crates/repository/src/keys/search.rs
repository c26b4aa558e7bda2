//! Search of the stored keys.
//!
//! The statements are written by hand, because the DSL has no recursive queries: a search finds the distinct products
//! first, by a loose index scan, and then reads the keys of the matching products in the order of the index. A
//! condition on `prd` alone would read the index from its beginning to the first match.

use super::rows::{COLUMNS, KeyRow};
use crate::paging::BoundedCount;
use crate::{Error, Store};
use futures_util::future::try_join;
use steadfast_domain::keys::{Blocked, Filter, KeyCursor, REMAINING_UNKNOWN, StoredKey};
use steadfast_domain::page::{Page, Position};
use steadfast_postgres::diesel::pg::Pg;
use steadfast_postgres::diesel::query_builder::{BoxedSqlQuery, SqlQuery};
use steadfast_postgres::diesel::sql_query;
use steadfast_postgres::diesel::sql_types::{BigInt, Integer, Text};
use steadfast_postgres::diesel_async::RunQueryDsl;
use steadfast_postgres::{Cached, Operation, Read, Reads, cached};

/// Lists a page of the keys that match a filter, with the total.
pub const SEARCH: Operation<Read> = Operation::read("keys.search")
    .statements(2)
    .served_by(&[
        "idx_pidms_keys_prd",
        "idx_pidms_keys_available",
        "idx_pidms_keys_blocked",
        "idx_pidms_keys_remaining",
        // A page inside the product with most keys is read in the order of ids.
        "pidms_keys_pkey",
    ])
    .reads(
        Reads::UpTo(10_001),
        "the total is counted up to 10,001 keys, of which the last page may be shown",
    );

/// Order of the result.
const ORDER: &str = "prd, remaining DESC, id";

/// Returns a page of the keys that match `filter`, with the total: two statements in one round trip.
///
/// Page and count read `idx_pidms_keys_prd`, or `idx_pidms_keys_available` or `idx_pidms_keys_blocked` if `filter`
/// restricts the state of the keys.
///
/// # Errors
/// Returns [`Error`] if the database fails.
pub async fn search(
    store: &Store,
    filter: &Filter,
    position: &Position<KeyCursor>,
) -> Result<Page<StoredKey>, Error> {
    let (rows, count) = store
        .read(&SEARCH, async |conn| {
            let (page, count) = (page(filter, position), count(filter));
            try_join(page.get_results(&mut &*conn), count.get_result(&mut &*conn)).await
        })
        .await?;
    let keys = rows.into_iter().map(KeyRow::parse).collect::<Result<Vec<_>, _>>()?;
    Ok(Page::new(keys, count, position, |last: &StoredKey| KeyCursor {
        product: last.status.product.clone(),
        remaining: last.status.remaining,
        id: last.id,
    }))
}

/// Selects the keys of the page at `position`, and one key more.
fn page<'a>(filter: &Filter, position: &'a Position<KeyCursor>) -> Cached<BoxedSqlQuery<'a, Pg, SqlQuery>> {
    cached(match position.cursor() {
        None => filtered(numbered_page(filter), filter)
            .bind::<BigInt, _>(position.limit())
            .bind::<BigInt, _>(position.offset()),
        Some(cursor) => filtered(page_after(filter), filter)
            .bind::<BigInt, _>(position.limit())
            .bind::<Text, _>(&*cursor.product)
            .bind::<Integer, _>(cursor.remaining)
            .bind::<BigInt, _>(cursor.id),
    })
}

/// Counts the matching keys, up to the limit of totals.
fn count(filter: &Filter) -> Cached<BoundedCount<BoxedSqlQuery<'static, Pg, SqlQuery>>> {
    let (products, condition) = (matching_products(filter, "true"), condition(filter));
    let sql = format!("SELECT FROM pidms_keys WHERE prd = ANY({products}) AND {condition} ORDER BY {ORDER}");
    cached(BoundedCount(filtered(sql, filter)))
}

/// Binds the parameters of every search: the product as `$1`, and the bounds of `remaining` as `$2` and `$3`.
fn filtered<'a>(sql: String, filter: &Filter) -> BoxedSqlQuery<'a, Pg, SqlQuery> {
    // A bound excludes keys with an unknown number of activations.
    let bounded = filter.min_remaining.is_some() || filter.max_remaining.is_some();
    let lowest = if bounded { 0 } else { REMAINING_UNKNOWN };
    sql_query(sql)
        .into_boxed()
        .bind::<Text, _>(filter.product.clone().unwrap_or_default())
        .bind::<Integer, _>(filter.min_remaining.unwrap_or(lowest))
        .bind::<Integer, _>(filter.max_remaining.unwrap_or(i32::MAX))
}

/// Returns the conditions on a key, except that on its product.
fn condition(filter: &Filter) -> String {
    format!("{} AND remaining BETWEEN $2 AND $3", blocked(filter))
}

/// Returns the condition on `blocked`, which equals the predicate of the partial index that serves it. With a bind
/// parameter, a generic plan could not use that index.
fn blocked(filter: &Filter) -> &'static str {
    match filter.blocked {
        None => "true",
        Some(Blocked::No) => "blocked = -1",
        Some(Blocked::Yes) => "blocked = 1",
    }
}

/// Returns an array expression of the products that satisfy `from` and contain `$1`, ignoring case. Reads one index
/// entry per product.
fn matching_products(filter: &Filter, from: &str) -> String {
    let blocked = blocked(filter);
    format!(
        "ARRAY(WITH RECURSIVE products(prd) AS (\
         (SELECT prd FROM pidms_keys WHERE {blocked} AND {from} ORDER BY prd LIMIT 1) \
         UNION ALL \
         SELECT (SELECT next.prd FROM pidms_keys next WHERE {blocked} AND next.prd > products.prd \
         ORDER BY next.prd LIMIT 1) FROM products WHERE products.prd IS NOT NULL) \
         SELECT prd FROM products WHERE strpos(lower(prd), lower($1)) > 0)"
    )
}

/// Selects `$4` keys after the first `$5`.
fn numbered_page(filter: &Filter) -> String {
    let (products, condition) = (matching_products(filter, "true"), condition(filter));
    format!(
        "SELECT {COLUMNS} FROM pidms_keys WHERE prd = ANY({products}) AND {condition} \
         ORDER BY {ORDER} LIMIT $4 OFFSET $5"
    )
}

/// Selects `$4` keys after the one with product `$5`, remaining `$6` and id `$7`: keys with the same number, keys of
/// the same product, and keys of later products. Each part reads a range of the index; a single condition would read
/// all keys before the cursor.
fn page_after(filter: &Filter) -> String {
    let (products, condition) = (matching_products(filter, "prd > $5"), condition(filter));
    let rest = |range: &str| {
        format!("(SELECT {COLUMNS} FROM pidms_keys WHERE {range} AND {condition} ORDER BY {ORDER} LIMIT $4)")
    };
    // True for every cursor that a search returned. A forged cursor cannot reveal products that do not match.
    let ours = "strpos(lower($5), lower($1)) > 0";
    let same_number = rest(&format!("{ours} AND prd = $5 AND remaining = $6 AND id > $7"));
    let same_product = rest(&format!("{ours} AND prd = $5 AND remaining < $6"));
    let later_products = rest(&format!("prd = ANY({products})"));
    format!(
        "SELECT {COLUMNS} FROM ({same_number} UNION ALL {same_product} UNION ALL {later_products}) page \
         ORDER BY {ORDER} LIMIT $4"
    )
}
