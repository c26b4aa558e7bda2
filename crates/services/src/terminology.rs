//! Searching and filling the terminology.

mod import;

pub use import::{ImportError, Imported, import_icd10cm, read_icd10cm};

use crate::Error;
use steadfast_domain::terminology::{Leg, Match, Query, merge};
use steadfast_repository::{Store, terminology};

/// What a search found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The results, best first, at most as many as the query wants.
    pub matches: Vec<Match>,
    /// The different codes that the legs found together.
    pub total: usize,
    /// The legs that gave no answer; what they would have found is missing.
    pub failed: Vec<Leg>,
}

/// Searches by code, by words and by likeness at once, each on a connection of its own. A leg that fails is left out
/// and named; one that the query gives nothing to look for is no failure.
///
/// # Errors
/// The error of the first leg, when none that had something to look for gave an answer.
pub async fn search(store: &Store, query: &Query) -> Result<Found, Error> {
    let leg = |leg| terminology::search(store, leg, query);
    let (code, term, similarity) = tokio::join!(leg(Leg::Code), leg(Leg::Term), leg(Leg::Similarity));
    let outcomes = [(Leg::Code, code), (Leg::Term, term), (Leg::Similarity, similarity)];
    let (mut found, mut failed, mut first_error) = (Vec::new(), Vec::new(), None);
    for (leg, outcome) in outcomes {
        match outcome {
            Ok(matches) => found.extend(matches),
            Err(error) => {
                tracing::warn!(operation = "terminology.search", leg = leg.as_str(), %error, "a leg of a search failed");
                failed.push(leg);
                first_error.get_or_insert(error);
            }
        }
    }
    match first_error {
        Some(error) if found.is_empty() => Err(error.into()),
        _ => {
            let mut matches = merge(found);
            let total = matches.len();
            matches.truncate(query.limit());
            Ok(Found { matches, total, failed })
        }
    }
}
