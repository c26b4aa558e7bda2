//! Migrations over the same kind of session as the service's own: by TLS where the URL or the server wants it.

use steadfast_postgres::{Conn, SessionSettings};
use steadfast_schema::{LockWait, MigrateError};

/// Brings the database at `url` up to date and returns the versions that were applied. Waits for another process that does
/// the same; calls `on_wait` whenever others hold a lock that a migration needs. Safe to repeat.
///
/// # Errors
/// Returns [`MigrateError`] if the database cannot be reached or brought up to date. Each migration runs in a transaction
/// of its own.
pub async fn migrate(
    url: &str,
    session: &SessionSettings,
    on_wait: impl Fn(&LockWait) + Send + 'static,
) -> Result<Vec<String>, MigrateError> {
    let conn = Conn::establish_with(url, session).await?;
    steadfast_schema::migrate_on(conn, Conn::establish_with(url, session).await?, on_wait).await
}

/// The migrations that the database at `url` lacks, in their order.
///
/// # Errors
/// [`MigrateError::Connect`] and [`MigrateError::Applied`]; the latter too when the user may not read the list.
pub async fn pending(url: &str, session: &SessionSettings) -> Result<Vec<String>, MigrateError> {
    steadfast_schema::pending_on(&mut Conn::establish_with(url, session).await?).await
}
