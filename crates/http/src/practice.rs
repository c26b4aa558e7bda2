//! Routes of the practice.

mod appointments;
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
    let people = clients::routes().into_iter().chain(providers::routes()).chain(appointments::routes());
    people.chain(ledger::routes()).chain(finances::routes()).collect()
}
