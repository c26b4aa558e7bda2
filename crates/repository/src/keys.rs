//! Product keys: storing the status of checked keys, searching stored keys, and the totals of products.

#[cfg(feature = "cases")]
pub(crate) mod cases;
mod checks;
mod products;
mod rows;
mod search;
#[cfg(feature = "cases")]
pub(crate) mod seed;

pub use checks::{UPSERT, upsert};
pub use products::{PRODUCTS, products};
pub use search::{SEARCH, search};
