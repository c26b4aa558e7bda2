//! Completing what somebody is typing: the quick half of a search.

use super::{ATTEMPTS, Found, are_of_one_release, joined, search};
use crate::Error;
use steadfast_domain::terminology::{Leg, Query};
use steadfast_repository::{Store, terminology};

/// The codes that begin with what was typed, and those whose terms have its words, the last of which may not be finished;
/// both at once, each in one statement. Only when there are none is it taken for misspelt, and searched for by likeness.
///
/// # Errors
/// The error of the first leg, when none that had something to look for gave an answer.
pub async fn autocomplete(store: &Store, typed: &Query) -> Result<Found, Error> {
    let found = completed(store, typed).await?;
    match found.total {
        0 => search(store, typed).await,
        _ => Ok(found),
    }
}

async fn completed(store: &Store, typed: &Query) -> Result<Found, Error> {
    let mut attempts = ATTEMPTS;
    loop {
        attempts -= 1;
        let leg = |leg| terminology::search(store, leg, typed);
        let (code, term) = tokio::join!(leg(Leg::Code), leg(Leg::Term));
        let outcomes = [(Leg::Code, code), (Leg::Term, term), (Leg::Similarity, Ok(None))];
        if attempts == 0 || are_of_one_release(&outcomes) {
            return joined(typed, outcomes);
        }
    }
}
