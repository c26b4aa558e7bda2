//! Totals of the stored keys by product.

use crate::paging::BoundedCount;
use crate::row::row;
use crate::{Error, Store};
use futures_util::future::try_join;
use steadfast_domain::keys::ProductSummary;
use steadfast_domain::page::{Page, Position};
use steadfast_postgres::diesel::{self, prelude::*};
use steadfast_postgres::diesel_async::RunQueryDsl;
use steadfast_postgres::{Operation, Read, Reads};
use steadfast_schema::schema::pidms_products;

/// Lists a page of the products, with the total.
pub const PRODUCTS: Operation<Read> =
    Operation::read("keys.products").statements(2).served_by(&["pidms_products_pkey"]).reads(
        Reads::UpTo(10_001),
        "the total is counted up to 10,001 products, of which the last page may be shown",
    );

/// Returns a page of the products by name, with the total: two statements in one round trip.
///
/// The sums are columns of `pidms_products`, which triggers of `pidms_keys` maintain. They are read in the order of
/// `pidms_products_pkey`, without reading any keys.
///
/// # Errors
/// Returns [`Error`] if the database fails.
pub async fn products(store: &Store, position: &Position<String>) -> Result<Page<ProductSummary>, Error> {
    let (rows, count) = store
        .read(&PRODUCTS, async |conn| {
            let page = pidms_products::table.select(ProductRow::as_select()).order(pidms_products::prd);
            let page = page.limit(position.limit()).into_boxed();
            let page = match position.cursor() {
                Some(last) => page.filter(pidms_products::prd.gt(last)),
                None => page.offset(position.offset()),
            };
            let count = BoundedCount(pidms_products::table.select(pidms_products::prd));
            try_join(page.get_results(&mut &*conn), count.get_result(&mut &*conn)).await
        })
        .await?;
    let products = rows.into_iter().map(ProductRow::parse).collect::<Result<_, _>>()?;
    Ok(Page::new(products, count, position, |last: &ProductSummary| last.product.clone()))
}

row! {
    /// The totals of a product.
    ProductRow of pidms_products for ProductSummary {
        #[diesel(column_name = prd)]
        product: String,
        key_count: i64,
        known_count: i64,
        total_remaining: i64,
    }
}
