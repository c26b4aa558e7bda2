//! The audit trail.

mod entries;

use crate::route::{Access, Route};
use crate::state::AppState;

const READ: Access = Access::Scope("audit:read");

/// Returns the routes of this area.
pub(crate) fn routes() -> Vec<Route<AppState>> {
    vec![entries::route()]
}
