//! Medical terminology: search, look-up of codes, chapters, and statistics of searches.

mod chapters;
mod codes;
mod search;
mod statistics;

use crate::route::{Access, Route};
use crate::state::AppState;
use std::time::Duration;

const READ: Access = Access::Scope("terminology:read");

/// Returns the routes of this area. Some have a second path for existing callers.
pub(crate) fn routes() -> Vec<Route<AppState>> {
    [search::routes(), codes::routes(), chapters::routes(), statistics::routes()]
        .into_iter()
        .flatten()
        .collect()
}

/// Returns a duration in milliseconds, rounded to microseconds.
fn milliseconds(took: Duration) -> f64 {
    (took.as_secs_f64() * 1e6).round() / 1e3
}
