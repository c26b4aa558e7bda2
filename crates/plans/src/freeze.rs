//! Freezing of seeded data, so that plans depend on nothing but the data.

use crate::Error;
use steadfast_postgres::tokio_postgres::{self, Client};

/// Maximum number of VACUUMs until all rows are frozen. A session that is just starting can delay one.
const VACUUMS: u32 = 20;

/// Fixed sample size of ANALYZE, because plans depend on it.
pub(crate) const SAMPLES: &str = "SET default_statistics_target = 100";

/// Makes the visibility of rows known at once.
const WAIT_FOR_LOG: &str = "SET synchronous_commit = on";

/// Switches autovacuum off for every table.
const NO_AUTOVACUUM: &str = "DO $$ DECLARE t regclass; BEGIN \
     FOR t IN SELECT oid FROM pg_class WHERE relkind IN ('r', 'm') AND oid >= 16384 LOOP \
     EXECUTE format('ALTER TABLE %s SET (autovacuum_enabled = off)', t); END LOOP; END $$";

const HAS_NEW_ROWS: &str = "SELECT EXISTS (SELECT FROM pg_class WHERE relkind IN ('r', 'm') AND oid >= 16384 \
     AND relallvisible < relpages)";

/// Switches autovacuum off for all tables of the database of `client`, vacuums and analyses them. Changes settings of
/// the session.
///
/// Returns true if every page is known to be visible to all transactions, which index-only scans depend on. It is not
/// if a session holds an old transaction open.
///
/// # Errors
/// Returns [`Error::Database`], e.g. if the role may not vacuum a table.
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
