//! Data taken out of time: all rows are old, statistics are there, and nothing changes either by itself.

use crate::Error;
use steadfast_postgres::tokio_postgres::{self, Client};

/// How often a database is vacuumed until all its rows count as old: any session that begins anywhere on the server
/// meanwhile can hold that up.
const VACUUMS: u32 = 20;

/// The size of a sample is fixed, since plans depend on it.
pub(crate) const SAMPLES: &str = "SET default_statistics_target = 100";

/// A server that does not wait for its log does not know at once which rows are old.
const WAIT_FOR_LOG: &str = "SET synchronous_commit = on";

/// Vacuum and statistics are the verification's from here on, on any server.
const NO_AUTOVACUUM: &str = "DO $$ DECLARE t regclass; BEGIN \
     FOR t IN SELECT oid FROM pg_class WHERE relkind IN ('r', 'm') AND oid >= 16384 LOOP \
     EXECUTE format('ALTER TABLE %s SET (autovacuum_enabled = off)', t); END LOOP; END $$";

const HAS_NEW_ROWS: &str = "SELECT EXISTS (SELECT FROM pg_class WHERE relkind IN ('r', 'm') AND oid >= 16384 \
     AND relallvisible < relpages)";

/// Switches autovacuum off for every table of the database of `client`, vacuums and analyses them, and gives whether every
/// page is known as visible to all now: index-only scans would look at the others in the table. It is not, when a session
/// anywhere on the server holds a transaction open. The settings of the session are changed.
///
/// # Errors
/// [`Error::Database`], also when the role may not vacuum all of them.
pub async fn freeze(client: &Client) -> Result<bool, Error> {
    frozen(client).await.map_err(Error::database("vacuum and analyse"))
}

async fn frozen(client: &Client) -> Result<bool, tokio_postgres::Error> {
    for settings in [SAMPLES, WAIT_FOR_LOG, NO_AUTOVACUUM] {
        client.batch_execute(settings).await?;
    }
    for _ in 0..VACUUMS {
        client.batch_execute("VACUUM (FREEZE, ANALYZE)").await?;
        if !client.query_one(HAS_NEW_ROWS, &[]).await?.get::<_, bool>(0) {
            return Ok(true);
        }
    }
    Ok(false)
}
