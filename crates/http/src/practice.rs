//! Routes of the practice.

mod appointments;
mod clients;
mod finances;
mod ledger;
mod notes;
mod providers;
mod statistics;

use crate::problem::{Code, Problem};
use crate::route::{Access, Route};
use crate::state::AppState;
use steadfast_domain::practice::DiagnosisCode;
use steadfast_services::terminology::Catalogue;

const READ: Access = Access::Scope("practice:read");
const WRITE: Access = Access::Scope("practice:write");
const LEDGER_READ: Access = Access::Scope("ledger:read");
const LEDGER_WRITE: Access = Access::Scope("ledger:write");

/// Returns the routes of this area.
pub(crate) fn routes() -> Vec<Route<AppState>> {
    let people = clients::routes().into_iter().chain(providers::routes()).chain(appointments::routes());
    let accounts = ledger::routes().into_iter().chain(finances::routes());
    people.chain(notes::routes()).chain(accounts).chain([statistics::route()]).collect()
}

/// Checks that the terminology has the diagnoses of a request.
///
/// # Errors
/// Returns a problem that names the field of each unknown code.
async fn require_diagnoses<'a>(
    catalogue: &Catalogue,
    codes: impl Iterator<Item = (String, &'a DiagnosisCode)>,
) -> Result<(), Problem> {
    let (fields, codes): (Vec<_>, Vec<_>) = codes.map(|(field, code)| (field, code.as_str())).unzip();
    let unknown = catalogue.unknown(&codes).await?;
    if unknown.is_empty() {
        return Ok(());
    }
    let problem = Problem::says(Code::Conflict, "The terminology lacks a diagnosis; see field_errors.");
    let name = |problem: Problem, at: usize| problem.field(&fields[at], "is not a code of the terminology");
    Err(unknown.into_iter().fold(problem, name))
}
