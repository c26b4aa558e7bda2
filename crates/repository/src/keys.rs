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
use std::time::Duration;
use steadfast_domain::keys::{Cursor, Filter, KeyStatus, Position, ProductSummary, StoredKey, Upserted};
use steadfast_domain::page::Total;
use steadfast_postgres::diesel_async::RunQueryDsl;
use steadfast_postgres::{Operation, Read, Reads, Write};

/// Stores the status of keys.
pub const UPSERT: Operation<Write> = Operation::write("keys.upsert").served_by(&["ix_pidms_keys_keyname"]);

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
    .reads(Reads::PerMatch(10), "each product is one descent into the index, a page for each of its levels");

/// What the keys of each product add up to.
pub const PRODUCTS: Operation<Read> = Operation::read("keys.products")
    .slow_after(Duration::from_secs(3))
    .reads(Reads::All, "adds up every key there is");

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

/// What the keys of each product add up to, by product: the first 10,000 products. Reads all of `idx_pidms_keys_prd`, and of the table only what
/// changed lately: it grows with the number of keys.
///
/// # Errors
/// [`Error`].
pub async fn products(store: &Store) -> Result<Vec<ProductSummary>, Error> {
    let rows: Vec<ProductRow> =
        store.read(&PRODUCTS, async |conn| queries::products().get_results(conn).await).await?;
    Ok(rows.into_iter().map(ProductRow::parse).collect())
}
