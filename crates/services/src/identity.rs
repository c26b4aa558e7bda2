//! Logins, passwords, and the recorded use of credentials.

mod logins;
mod passwords;
mod uses;

pub use logins::{LoggedIn, LoginError, Logins};
pub use passwords::Passwords;
pub use uses::{UseRecorder, UseWriter, uses};

use crate::upkeep::times;
use chrono::{TimeDelta, Utc};
use std::time::Duration;
use steadfast_repository::identity::{expire_login_attempts, expire_revoked_sessions, expire_sessions};
use steadfast_repository::{Error, Store};

/// Time from the start to the first upkeep: the start has more urgent work.
const UPKEEP_FIRST: Duration = Duration::from_secs(90);

/// Time from one upkeep to the next.
const UPKEEP_EVERY: Duration = Duration::from_secs(600);

/// Time after its beginning for which a session is stored. No session lasts as long.
const SESSIONS_STORED: TimeDelta = TimeDelta::days(30);

/// Time after its revocation for which a session is stored.
const REVOKED_STORED: TimeDelta = TimeDelta::days(7);

/// Deletes old sessions and forgotten attempts to log in every ten minutes. Servers that do so at the same time share
/// the work. Never returns.
pub async fn upkeep(store: Store) {
    let mut times = times(UPKEEP_FIRST, UPKEEP_EVERY);
    loop {
        times.tick().await;
        if let Err(error) = expire(&store).await {
            tracing::warn!(%error, "old sessions were not deleted; the next attempt is in ten minutes");
        }
    }
}

async fn expire(store: &Store) -> Result<(), Error> {
    let now = Utc::now();
    while expire_sessions(store, now - SESSIONS_STORED).await? > 0 {}
    while expire_revoked_sessions(store, now - REVOKED_STORED).await? > 0 {}
    while expire_login_attempts(store, now).await? > 0 {}
    Ok(())
}
