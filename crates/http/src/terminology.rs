//! Medical terminology: searching ICD-10-CM by code or words, and looking one code up.

mod wire;

use crate::envelope::Envelope;
use crate::extract::{Path, Query};
use crate::problem::{Code, Problem};
use crate::route::{Access, Route};
use crate::state::AppState;
use axum::extract::State;
use steadfast_domain::terminology::{IcdCode, Query as Search};
use steadfast_repository::{Store, terminology as stored};
use steadfast_services::terminology;
use tokio::time::Instant;
use wire::{CodeParameters, Found, Placed, SearchParameters};

const READ: Access = Access::Scope("terminology:read");

/// The routes of this area.
pub(crate) fn routes() -> Vec<Route<AppState>> {
    vec![
        Route::get("/api/v1/search/icd10", READ, search)
            .summary("Search ICD-10-CM by the beginning of a code, by words, or by what looks like them")
            .query::<SearchParameters>()
            .answers::<Found>(),
        Route::get("/api/v1/code/{code}", READ, look_up)
            .summary("One ICD-10-CM code and its relatives")
            .path_parameters::<CodeParameters>()
            .answers::<Placed>()
            .codes(&[Code::NotFound]),
    ]
}

async fn search(
    State(store): State<Store>,
    Query(parameters): Query<SearchParameters>,
) -> Result<Envelope<Found>, Problem> {
    let started = Instant::now();
    let query = Search::new(&parameters.query, parameters.limit)?;
    let found = terminology::search(&store, &query).await?;
    let message = format!("{} of {} codes", found.matches.len(), found.total);
    Ok(Envelope::new(Found::new(found, started.elapsed()), message))
}

async fn look_up(
    State(store): State<Store>,
    Path(parameters): Path<CodeParameters>,
) -> Result<Envelope<Placed>, Problem> {
    let started = Instant::now();
    let code = IcdCode::parse("code", &parameters.code)?;
    let Some(placed) = stored::place(&store, &code).await? else {
        return Err(Problem::says(Code::NotFound, format!("There is no code {code}.")));
    };
    Ok(Envelope::new(Placed::new(placed, started.elapsed()), format!("Code {code}")))
}
