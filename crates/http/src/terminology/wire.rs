//! What the routes of medical terminology take and give, as JSON.

mod codes;
mod overview;
mod search;

pub(super) use codes::{BatchFindings, BatchRequest, CodeParameters, Placed};
pub(super) use overview::{Chapters, Statistics};
pub(super) use search::{AutocompleteParameters, Found, SearchParameters, Suggested};

use std::time::Duration;

/// With three decimals: microseconds are as fine as it means anything.
fn milliseconds(took: Duration) -> f64 {
    (took.as_secs_f64() * 1e6).round() / 1e3
}
