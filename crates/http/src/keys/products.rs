//! Totals of the stored keys by product.

use super::READ;
use crate::prelude::*;
use steadfast_domain::keys::{PRODUCTS_PAGE, ProductSummary};
use steadfast_repository::keys;

pub(super) fn route() -> Route<AppState> {
    Route::get("/api/pidms/products", READ, products)
        .summary("List the totals of stored keys by product")
        .paged(PRODUCTS_PAGE)
        .answers_page::<Products>()
}

async fn products(State(store): State<Store>, Paged(_, page): Paged) -> ApiResult<Products> {
    let found = keys::products(&store, &page.position(PRODUCTS_PAGE)?).await?.map(Product::from);
    Ok(Envelope::page(found, "products", |products| Products { products }))
}

/// A page of products.
#[derive(Debug, Serialize, ToSchema)]
struct Products {
    products: Vec<Product>,
}

/// Totals of the stored keys of one product.
#[derive(Debug, Serialize, ToSchema)]
struct Product {
    /// Product code.
    prd: String,
    /// Number of stored keys.
    key_count: i64,
    /// Activations left on all keys with a known number.
    total_remaining: i64,
    /// Activations left per key with a known number, rounded to two decimals.
    avg_remaining: f64,
    /// True if fewer than five activations are left in all.
    low_inventory: bool,
}

impl From<ProductSummary> for Product {
    fn from(summary: ProductSummary) -> Self {
        Self {
            low_inventory: summary.low_inventory(),
            avg_remaining: summary.avg_remaining(),
            prd: summary.product,
            key_count: summary.key_count,
            total_remaining: summary.total_remaining,
        }
    }
}
