//! URL of a forest's database.

use crate::support::Forest;
use anyhow::Result;

/// Returns the URL of the forest's database, for connections outside of its pool.
pub(crate) async fn url(forest: &Forest) -> Result<String> {
    let row = forest.looker.query_one("SELECT inet_server_port(), current_database()::text", &[]).await?;
    Ok(format!("postgres://postgres@127.0.0.1:{}/{}", row.get::<_, i32>(0), row.get::<_, String>(1)))
}
