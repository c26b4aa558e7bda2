//! Totals of the stored keys by product.

use crate::prelude::*;
use steadfast_domain::keys::ProductSummary;
use steadfast_schema::schema::pidms_products;

/// Lists a page of the products, with the total.
pub const PRODUCTS: Operation<Read> =
    paged(Operation::read("keys.products").served_by(&["pidms_products_pkey"]));

/// Returns a page of the products by name, with the total.
///
/// The sums are columns of `pidms_products`, which triggers of `pidms_keys` maintain. They are read in the order of
/// `pidms_products_pkey`, without reading any keys.
pub async fn products(store: &Store, position: &Position<String>) -> Result<Page<ProductSummary>, Error> {
    use pidms_products::{prd, table};
    let sorted = || table.select(ProductRow::as_select()).order(prd).into_boxed();
    let rows = || page_at(sorted(), position, |last| prd.gt(last));
    let count = || BoundedCount(table.select(prd));
    page(store, &PRODUCTS, position, (rows, count), |last: &ProductRow| last.product.clone()).await
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
