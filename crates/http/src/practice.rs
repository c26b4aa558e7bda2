//! Routes of the practice.

mod appointments;
mod clients;
mod providers;

use crate::route::{Access, Route};
use crate::state::AppState;

const READ: Access = Access::Scope("practice:read");
const WRITE: Access = Access::Scope("practice:write");

/// Returns the routes of this area.
pub(crate) fn routes() -> Vec<Route<AppState>> {
    clients::routes().into_iter().chain(providers::routes()).chain(appointments::routes()).collect()
}
