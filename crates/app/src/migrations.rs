//! Migrations over the same kind of session as the service's own: by TLS where the URL or the server wants it.

use steadfast_postgres::{Conn, SessionSettings};
use steadfast_schema::MigrateError;

/// Brings the database at `url` up to date; gives the versions that were applied. Waits for another process that does the
/// same. Safe to repeat.
///
/// # Errors
/// [`MigrateError`]. Each migration runs in a transaction of its own.
pub async fn migrate(url: &str, session: &SessionSettings) -> Result<Vec<String>, MigrateError> {
    steadfast_schema::migrate_on(Conn::establish_with(url, session).await?).await
}

/// The migrations that the database at `url` lacks, in their order.
///
/// # Errors
/// [`MigrateError::Connect`] and [`MigrateError::Applied`]; the latter too when the user may not read the list.
pub async fn pending(url: &str, session: &SessionSettings) -> Result<Vec<String>, MigrateError> {
    steadfast_schema::pending_on(&mut Conn::establish_with(url, session).await?).await
}
