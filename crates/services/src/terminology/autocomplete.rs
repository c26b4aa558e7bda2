//! Autocompletion: the fast part of a search.

use super::{Found, by_code, by_legs, search};
use crate::Error;
use steadfast_domain::terminology::{Leg, Query};
use steadfast_repository::Store;

/// Suggests the codes that begin with the typed text. If it does not have the form of a code, suggests codes whose
/// terms have its words, of which the last may be incomplete. Searches by similarity only if there are none.
///
/// # Errors
/// Returns the error of the first leg if all legs failed.
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
