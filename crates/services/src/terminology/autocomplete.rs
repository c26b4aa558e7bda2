//! Completing what somebody is typing: the quick half of a search.

use super::{Found, by_code, by_legs, search};
use crate::Error;
use steadfast_domain::terminology::{Leg, Query};
use steadfast_repository::Store;

/// Suggests the codes that begin with what was typed. If it does not have the form of a code, suggests those whose terms
/// have its words, the last of which may be unfinished. Only if there are none is it searched by likeness.
///
/// # Errors
/// Returns the error of the first leg if none gave an answer.
pub async fn autocomplete(store: &Store, typed: &Query) -> Result<Found, Error> {
    if typed.as_code().is_some() {
        return by_code(store, typed).await;
    }
    let found = by_legs(store, typed, &[Leg::Term]).await?;
    match found.total {
        0 => search(store, typed).await,
        _ => Ok(found),
    }
}
