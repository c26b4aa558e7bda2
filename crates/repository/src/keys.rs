//! Product keys: storing what was learnt of them, searching them, adding them up.

#[cfg(feature = "cases")]
pub(crate) mod cases;
mod queries;
mod rows;
#[cfg(feature = "cases")]
pub(crate) mod seed;

use crate::{Error, Store};
use futures_util::future::try_join;
use rows::{CountRow, KeyRow, ProductRow, UpsertedRow};
use steadfast_domain::keys::{
    Cursor, Filter, KeyStatus, Position, ProductCursor, ProductPosition, ProductSummary, StoredKey, Upserted,
};
use steadfast_domain::page::Total;
use steadfast_postgres::diesel_async::RunQueryDsl;
use steadfast_postgres::{Operation, Read, Reads, Write};

/// Stores the status of keys.
pub const UPSERT: Operation<Write> =
    Operation::write("keys.upsert").served_by(&["ix_pidms_keys_keyname", "pidms_products_pkey"]);

/// One page of keys that match a filter, with the total.
pub const SEARCH: Operation<Read> = Operation::read("keys.search")
    .statements(2)
    .served_by(&[
        "idx_pidms_keys_prd",
        "idx_pidms_keys_available",
        "idx_pidms_keys_blocked",
        "idx_pidms_keys_remaining",
        // A page inside a product that has most keys goes by id.
        "pidms_keys_pkey",
    ])
    .reads(
        Reads::UpTo(10_001),
        "the total is counted up to 10,001 keys, of which the last page may be shown",
    );

/// One page of the products, with the total.
pub const PRODUCTS: Operation<Read> =
    Operation::read("keys.products").statements(2).served_by(&["pidms_products_pkey"]).reads(
        Reads::UpTo(10_001),
        "the total is counted up to 10,001 products, of which the last page may be shown",
    );

/// One page of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The keys of the page, by product, then most remaining first, then id.
    pub keys: Vec<StoredKey>,
    /// How many keys match in all.
    pub total: Total,
    /// Where the next page begins; `None` on the last one.
    pub next: Option<Cursor>,
}

/// One page of the products.
#[derive(Clone, Debug, PartialEq)]
pub struct Products {
    /// The products of the page and what their keys add up to, by product.
    pub products: Vec<ProductSummary>,
    /// Number of products.
    pub total: Total,
    /// Start of the next page; `None` on the last one.
    pub next: Option<ProductCursor>,
}

/// Stores each status, new or as an update of the stored one, all in one statement and one transaction. `statuses` has
/// at most 50 entries, each key once; the answer has one entry for each, in key order. Conflicts are found by
/// `ix_pidms_keys_keyname`.
///
/// # Errors
/// [`Error`]; then nothing was stored, except that after [`Error::OutcomeUnknown`] nobody knows. Repeating is safe.
pub async fn upsert(store: &Store, statuses: &[KeyStatus]) -> Result<Vec<Upserted>, Error> {
    // In key order, so that two checks of the same keys wait for each other instead of deadlocking.
    let mut sorted: Vec<&KeyStatus> = statuses.iter().collect();
    sorted.sort_by_key(|status| status.key);
    let rows: Vec<UpsertedRow> =
        store.write(&UPSERT, async |conn| queries::upsert(&sorted).get_results(conn).await).await?;
    rows.into_iter().map(UpsertedRow::parse).collect()
}

/// The page of keys at `position` among those that match `filter`, with the total: two statements in one round trip.
/// Page and count walk `idx_pidms_keys_prd`, or `idx_pidms_keys_available` and `idx_pidms_keys_blocked` for keys that
/// are not blocked and blocked ones; the count ends at 10,001 matches.
///
/// # Errors
/// [`Error`].
pub async fn search(store: &Store, filter: &Filter, position: &Position) -> Result<Found, Error> {
    let (page, count): (Vec<KeyRow>, CountRow) = store
        .read(&SEARCH, async |conn| {
            let (mut for_page, mut for_count) = (&*conn, &*conn);
            let page = queries::page(filter, position);
            let count = queries::count(filter);
            try_join(page.get_results(&mut for_page), count.get_result(&mut for_count)).await
        })
        .await?;
    let mut keys: Vec<StoredKey> = page.into_iter().map(KeyRow::parse).collect::<Result<_, _>>()?;
    let per_page = position.per_page() as usize;
    let has_more = keys.len() > per_page;
    keys.truncate(per_page);
    let next = keys.last().filter(|_| has_more).map(|last| Cursor {
        product: last.status.product.clone(),
        remaining: last.status.remaining,
        id: last.id,
    });
    Ok(Found { keys, total: Total::from_bounded_count(count.matches), next })
}

/// Returns the page of products at `position`, with the total: two statements in one round trip.
///
/// The sums stand in `pidms_products`, where the triggers of `pidms_keys` keep them, and are read in the order of
/// `pidms_products_pkey`; no key is read. The count ends at 10,001 products.
///
/// # Errors
/// Returns [`Error`] if the database does not answer.
pub async fn products(store: &Store, position: &ProductPosition) -> Result<Products, Error> {
    let (count, page): (CountRow, Vec<ProductRow>) = store
        .read(&PRODUCTS, async |conn| {
            let (mut for_count, mut for_page) = (&*conn, &*conn);
            let (count, page) = (queries::count_products(), queries::products(position));
            try_join(count.get_result(&mut for_count), page.get_results(&mut for_page)).await
        })
        .await?;
    let mut products: Vec<ProductSummary> = page.into_iter().map(ProductRow::parse).collect();
    let per_page = position.per_page() as usize;
    let has_more = products.len() > per_page;
    products.truncate(per_page);
    let next = products.last().filter(|_| has_more).map(|last| ProductCursor(last.product.clone()));
    Ok(Products { products, total: Total::from_bounded_count(count.matches), next })
}
