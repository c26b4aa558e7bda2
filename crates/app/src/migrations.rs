//! Migrations, on sessions with the same settings and TLS mode as those of the service.

use steadfast_postgres::{Conn, SessionSettings};
use steadfast_schema::{LockWait, MigrateError};

/// Applies the pending migrations to the database at `url` and returns their versions.
///
/// Waits while another process applies migrations. Calls `on_wait` when other sessions hold a lock that a migration
/// needs. Each migration runs in a separate transaction, so the call can be repeated.
///
/// # Errors
/// Returns [`MigrateError`] if the database cannot be reached or a migration fails.
pub async fn migrate(
    url: &str,
    session: &SessionSettings,
    on_wait: impl Fn(&LockWait) + Send + 'static,
) -> Result<Vec<String>, MigrateError> {
    let conn = Conn::establish_with(url, session).await?;
    steadfast_schema::migrate_on(conn, Conn::establish_with(url, session).await?, on_wait).await
}

/// Returns the migrations that are not applied to the database at `url`, in order.
///
/// # Errors
/// Returns [`MigrateError::Connect`] if the database cannot be reached, and [`MigrateError::Applied`] if the list of
/// applied migrations cannot be read, also for lack of privileges.
pub async fn pending(url: &str, session: &SessionSettings) -> Result<Vec<String>, MigrateError> {
    steadfast_schema::pending_on(&mut Conn::establish_with(url, session).await?).await
}
