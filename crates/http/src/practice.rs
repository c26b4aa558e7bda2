//! Routes of the practice.

mod clients;
mod finances;
mod ledger;
mod providers;

use crate::route::{Access, Route};
use crate::state::AppState;

const READ: Access = Access::Scope("practice:read");
const WRITE: Access = Access::Scope("practice:write");
const LEDGER_READ: Access = Access::Scope("ledger:read");
const LEDGER_WRITE: Access = Access::Scope("ledger:write");

/// Returns the routes of this area.
pub(crate) fn routes() -> Vec<Route<AppState>> {
    let (clients, providers) = (clients::routes(), providers::routes());
    clients.into_iter().chain(providers).chain(ledger::routes()).chain(finances::routes()).collect()
}
