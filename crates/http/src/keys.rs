//! Product keys: checking pasted ones, searching stored ones, adding them up by product.

mod wire;

use crate::envelope::{Envelope, Pagination};
use crate::extract::{Json, Query};
use crate::problem::{Code, Problem};
use crate::route::{Access, Route};
use crate::state::AppState;
use axum::Extension;
use axum::extract::State;
use std::sync::Arc;
use std::time::Duration;
use steadfast_domain::keys::Pasted;
use steadfast_domain::page::Total;
use steadfast_repository::{Store, keys};
use steadfast_resilience::Deadline;
use steadfast_services::keys::Checker;
use wire::{CheckRequest, Checked, Key, ProductParameters, Products, SearchParameters};

/// How long a check may take: three tries at PIDKey.com of 30 s each, with the pauses between.
const CHECK_LIMIT: Duration = Duration::from_secs(110);

const READ: Access = Access::Scope("keys:read");
const WRITE: Access = Access::Scope("keys:write");

/// What a check answers with when PIDKey.com fails.
const UPSTREAM_CODES: [Code; 6] = [
    Code::UpstreamRateLimited,
    Code::UpstreamConfig,
    Code::UpstreamError,
    Code::UpstreamTimeout,
    Code::UpstreamUnreachable,
    Code::UpstreamOpen,
];

/// The routes of this area.
pub(crate) fn routes() -> Vec<Route<AppState>> {
    vec![
        Route::post("/api/pidms/check", WRITE, check)
            .summary("Check pasted product keys at PIDKey.com and store what it says")
            .within(CHECK_LIMIT)
            .takes::<CheckRequest>()
            .answers::<Checked>()
            .codes(&UPSTREAM_CODES),
        Route::get("/api/pidms/search", READ, search)
            .summary("Search stored keys, ordered by product, then most remaining activations first")
            .query::<SearchParameters>()
            .lists::<Key>(),
        Route::get("/api/pidms/products", READ, products)
            .summary("What the stored keys of each product add up to, ordered by product")
            .query::<ProductParameters>()
            .answers_page::<Products>(),
    ]
}

async fn check(
    State(store): State<Store>,
    State(checker): State<Arc<Checker>>,
    Extension(deadline): Extension<Deadline>,
    Json(request): Json<CheckRequest>,
) -> Result<Envelope<Checked>, Problem> {
    let pasted = Pasted::parse(&request.keys)?;
    let checked = Checked::from(checker.check(&store, &pasted, deadline.remaining()).await?);
    let message = checked.summary.to_string();
    Ok(Envelope::new(checked, message))
}

async fn search(
    State(store): State<Store>,
    Query(parameters): Query<SearchParameters>,
) -> Result<Envelope<Vec<Key>>, Problem> {
    let (filter, position) = parameters.parse()?;
    let found = keys::search(&store, &filter, &position).await?;
    let next = found.next.map(|cursor| cursor.encode());
    let keys: Vec<Key> = found.keys.into_iter().map(Key::from).collect();
    let message = counted(keys.len(), found.total, "keys");
    let pagination = Pagination::new(position.number(), position.per_page(), found.total, next);
    Ok(Envelope::page(keys, message, pagination))
}

fn counted(shown: usize, total: Total, of: &str) -> String {
    let at_least = if total.exact { "" } else { "more than " };
    format!("{shown} of {at_least}{} {of}", total.items)
}

async fn products(
    State(store): State<Store>,
    Query(parameters): Query<ProductParameters>,
) -> Result<Envelope<Products>, Problem> {
    let position = parameters.parse()?;
    let found = keys::products(&store, &position).await?;
    let next = found.next.map(|cursor| cursor.encode());
    let message = counted(found.products.len(), found.total, "products");
    let pagination = Pagination::new(position.number(), position.per_page(), found.total, next);
    Ok(Envelope::new(Products::from(found.products), message).paginated(pagination))
}
