//! Callers and their credentials.

mod api_keys;

use crate::route::{Access, Route};
use crate::state::AppState;

const READ: Access = Access::Scope("identity:read");
const WRITE: Access = Access::Scope("identity:write");

/// Returns the routes of this area.
pub(crate) fn routes() -> Vec<Route<AppState>> {
    api_keys::routes().into()
}
