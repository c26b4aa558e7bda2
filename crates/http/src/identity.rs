//! Callers and their credentials.

mod api_keys;
mod sessions;
mod users;

pub(crate) use sessions::LoginDesk;

use crate::route::{Access, Route};
use crate::state::AppState;

/// Access to the caller's own sessions.
const OWN: Access = Access::Scope("identity:own");
const READ: Access = Access::Scope("identity:read");
const WRITE: Access = Access::Scope("identity:write");

/// Returns the routes of this area.
pub(crate) fn routes() -> Vec<Route<AppState>> {
    let mut routes: Vec<_> = api_keys::routes().into();
    routes.extend(sessions::routes());
    routes.extend(users::routes());
    routes
}
