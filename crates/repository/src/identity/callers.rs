//! Callers by what they present.

use super::{api_keys, sessions};
use crate::{Error, Store};
use steadfast_domain::identity::{Caller, Credential, SessionLimits};

/// Caller that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The caller.
    pub caller: Caller,
    /// True if this use of the credential is to be recorded, which is the case once a minute.
    pub is_use_due: bool,
}

/// Finds the bearer of `credential`, unless the key or session is revoked or expired.
///
/// # Errors
/// Returns [`Error`] if the database does not answer, whether or not the credential is valid.
pub async fn find_caller(
    store: &Store,
    credential: &Credential,
    limits: SessionLimits,
) -> Result<Option<Found>, Error> {
    let found = match credential {
        Credential::ApiKey(hash) => api_keys::find(store, hash).await?,
        Credential::Session(hash) => sessions::find(store, hash, limits).await?,
    };
    Ok(found.map(|(caller, is_use_due)| Found { caller, is_use_due }))
}
