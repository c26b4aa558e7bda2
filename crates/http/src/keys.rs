//! Product keys: checks, search, and totals by product.

mod checks;
mod products;
mod search;

use crate::route::{Access, Route};
use crate::state::AppState;

const READ: Access = Access::Scope("keys:read");
const WRITE: Access = Access::Scope("keys:write");

/// Returns the routes of this area.
pub(crate) fn routes() -> Vec<Route<AppState>> {
    vec![checks::route(), search::route(), products::route()]
}
