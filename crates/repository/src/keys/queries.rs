//! The statements on product keys.
//!
//! A search takes the distinct products first, by skipping through the index, and then walks the keys of those that
//! match in index order. A filter on `prd` alone would read the index from its beginning up to the first match.

use steadfast_domain::keys::{Blocked, Filter, KeyStatus, Position, ProductPosition, REMAINING_UNKNOWN};
use steadfast_domain::page::REACH;
use steadfast_postgres::diesel::pg::Pg;
use steadfast_postgres::diesel::query_builder::{BoxedSqlQuery, SqlQuery};
use steadfast_postgres::diesel::sql_query;
use steadfast_postgres::diesel::sql_types::{Array, BigInt, Integer, Nullable, Text, Timestamptz};
use steadfast_postgres::{Cached, cached};

/// A statement with its values, ready to run.
type Statement<'a> = Cached<BoxedSqlQuery<'a, Pg, SqlQuery>>;

/// The columns of a stored key.
const COLUMNS: &str = "id, keyname, prd, eid, is_key_type, is_retail, sub, remaining, blocked, errorcode, \
    had_occurred, invalid, datetime_checked_done, checked_at, created_at, updated_at";

/// The order of a search.
const ORDER: &str = "prd, remaining DESC, id";

/// Whether an upserted row was inserted: only then nobody has locked or deleted it before. PostgreSQL does not document
/// it. The tests hold it for the version they run on; it was not proven for the others.
const IS_NEW: &str = "(xmax = 0) AS is_new";

/// One more key than fits on the page at `position`, so that it shows whether there is another page.
pub(super) fn page<'a>(filter: &Filter, position: &'a Position) -> Statement<'a> {
    let one_more = i64::from(position.per_page()) + 1;
    let cached_query = match position {
        Position::Page(page) => filtered(numbered_page(filter), filter)
            .bind::<BigInt, _>(one_more)
            .bind::<BigInt, _>(i64::from(page.offset())),
        Position::After(cursor, _) => filtered(page_after(filter), filter)
            .bind::<BigInt, _>(one_more)
            .bind::<Text, _>(&*cursor.product)
            .bind::<Integer, _>(cursor.remaining)
            .bind::<BigInt, _>(cursor.id),
    };
    cached(cached_query)
}

/// How many keys match, counted up to one more than [`REACH`]. The order changes no count; it keeps the planner from
/// reading the table instead of the index in the hope of many matches early on.
pub(super) fn count(filter: &Filter) -> Statement<'static> {
    let products = matching_products(filter, "true");
    let condition = condition(filter);
    let limit = REACH + 1;
    let sql = format!(
        "SELECT count(*) AS matches FROM (SELECT FROM pidms_keys WHERE prd = ANY({products}) AND {condition} \
         ORDER BY {ORDER} LIMIT {limit}) counted"
    );
    cached(filtered(sql, filter))
}

/// Binds what every search has: `$1` the product, `$2` and `$3` the bounds of `remaining`.
fn filtered<'a>(sql: String, filter: &Filter) -> BoxedSqlQuery<'a, Pg, SqlQuery> {
    // A bound asks for a number of activations, and a key without one has none to compare.
    let bounded = filter.min_remaining.is_some() || filter.max_remaining.is_some();
    let lowest = if bounded { 0 } else { REMAINING_UNKNOWN };
    sql_query(sql)
        .into_boxed()
        .bind::<Text, _>(filter.product.clone().unwrap_or_default())
        .bind::<Integer, _>(filter.min_remaining.unwrap_or(lowest))
        .bind::<Integer, _>(filter.max_remaining.unwrap_or(i32::MAX))
}

/// What makes a key match besides its product.
fn condition(filter: &Filter) -> String {
    format!("{} AND remaining BETWEEN $2 AND $3", blocked(filter))
}

/// The condition on `blocked`, word for word the predicate of the partial index that serves it: a bind would lose the
/// index in a generic plan.
fn blocked(filter: &Filter) -> &'static str {
    match filter.blocked {
        None => "true",
        Some(Blocked::No) => "blocked = -1",
        Some(Blocked::Yes) => "blocked = 1",
    }
}

/// The products that contain `$1`, in any case, among those for which `from` holds: one step into the index for each
/// product there is.
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

/// `$4` keys after the first `$5`.
fn numbered_page(filter: &Filter) -> String {
    let (products, condition) = (matching_products(filter, "true"), condition(filter));
    format!(
        "SELECT {COLUMNS} FROM pidms_keys WHERE prd = ANY({products}) AND {condition} \
         ORDER BY {ORDER} LIMIT $4 OFFSET $5"
    )
}

/// `$4` keys after the one with product `$5`, remaining `$6` and id `$7`: the rest of its number, the rest of its
/// product, the products after it. Each is a range of the index; a single condition would read up to the cursor first.
fn page_after(filter: &Filter) -> String {
    let (products, condition) = (matching_products(filter, "prd > $5"), condition(filter));
    let rest = |range: &str| {
        format!("(SELECT {COLUMNS} FROM pidms_keys WHERE {range} AND {condition} ORDER BY {ORDER} LIMIT $4)")
    };
    // Holds for every cursor that a search gave out; one that was tampered with finds no foreign product.
    let ours = "strpos(lower($5), lower($1)) > 0";
    let same_number = rest(&format!("{ours} AND prd = $5 AND remaining = $6 AND id > $7"));
    let same_product = rest(&format!("{ours} AND prd = $5 AND remaining < $6"));
    let later_products = rest(&format!("prd = ANY({products})"));
    format!(
        "SELECT {COLUMNS} FROM ({same_number} UNION ALL {same_product} UNION ALL {later_products}) page \
         ORDER BY {ORDER} LIMIT $4"
    )
}

/// Stores `statuses`, which are in key order and name each key once.
pub(super) fn upsert<'a>(statuses: &[&'a KeyStatus]) -> Statement<'a> {
    let sql = format!(
        "INSERT INTO pidms_keys AS stored (keyname, keyname_with_dash, prd, eid, is_key_type, is_retail, sub, \
         remaining, blocked, errorcode, had_occurred, invalid, datetime_checked_done, checked_at) \
         SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) \
         ON CONFLICT (keyname) DO UPDATE SET (prd, eid, is_key_type, is_retail, sub, remaining, blocked, errorcode, \
         had_occurred, invalid, datetime_checked_done, checked_at, updated_at) = (excluded.prd, excluded.eid, \
         excluded.is_key_type, excluded.is_retail, excluded.sub, excluded.remaining, excluded.blocked, \
         excluded.errorcode, excluded.had_occurred, excluded.invalid, excluded.datetime_checked_done, \
         excluded.checked_at, now()) \
         RETURNING {COLUMNS}, {IS_NEW}"
    );
    let texts = |of: fn(&'a KeyStatus) -> Option<&'a str>| each(statuses, of);
    let query = sql_query(sql)
        .into_boxed()
        .bind::<Array<Text>, _>(each(statuses, |status| status.key.as_str()))
        .bind::<Array<Text>, _>(each(statuses, |status| status.key.dashed()))
        .bind::<Array<Text>, _>(each(statuses, |status| &*status.product))
        .bind::<Array<Nullable<Text>>, _>(texts(|status| status.extended_pid.as_deref()))
        .bind::<Array<Nullable<Text>>, _>(texts(|status| status.key_type.as_deref()))
        .bind::<Array<Nullable<Integer>>, _>(each(statuses, |status| status.is_retail))
        .bind::<Array<Nullable<Text>>, _>(texts(|status| status.sub_type.as_deref()))
        .bind::<Array<Integer>, _>(each(statuses, |status| status.remaining))
        .bind::<Array<Integer>, _>(each(statuses, |status| if status.blocked { 1 } else { -1 }))
        .bind::<Array<Nullable<Text>>, _>(texts(|status| status.error_code.as_deref()))
        .bind::<Array<Nullable<Integer>>, _>(each(statuses, |status| status.had_occurred))
        .bind::<Array<Nullable<Integer>>, _>(each(statuses, |status| status.invalid))
        .bind::<Array<Nullable<Text>>, _>(texts(|status| status.checked_text.as_deref()))
        .bind::<Array<Nullable<Timestamptz>>, _>(each(statuses, |status| status.checked_at));
    cached(query)
}

fn each<'a, T>(statuses: &[&'a KeyStatus], of: impl Fn(&'a KeyStatus) -> T) -> Vec<T> {
    statuses.iter().map(|status| of(status)).collect()
}

/// Selects one more product than fits on the page at `position`.
pub(super) fn products(position: &ProductPosition) -> Statement<'_> {
    let select = "SELECT prd, key_count, total_remaining, \
        coalesce(round(total_remaining::numeric / nullif(known_count, 0), 2), 0)::float8 AS avg_remaining \
        FROM pidms_products";
    let one_more = i64::from(position.per_page()) + 1;
    let query = match position {
        ProductPosition::Page(page) => sql_query(format!("{select} ORDER BY prd LIMIT $1 OFFSET $2"))
            .into_boxed()
            .bind::<BigInt, _>(one_more)
            .bind::<BigInt, _>(i64::from(page.offset())),
        ProductPosition::After(cursor, _) => {
            sql_query(format!("{select} WHERE prd > $2 ORDER BY prd LIMIT $1"))
                .into_boxed()
                .bind::<BigInt, _>(one_more)
                .bind::<Text, _>(&*cursor.0)
        }
    };
    cached(query)
}

/// Counts the products up to one more than [`REACH`].
pub(super) fn count_products() -> Cached<SqlQuery> {
    let limit = REACH + 1;
    cached(sql_query(format!(
        "SELECT count(*) AS matches FROM (SELECT FROM pidms_products LIMIT {limit}) counted"
    )))
}
