//! The practice over the whole API.

mod clients;

use crate::support::Fixture;
use anyhow::Result;
use tokio_postgres::{NoTls, connect};

/// Id of the client that [`fill`] stores, as the examples of the document name it.
pub(crate) const CLIENT: &str = "00000000-0000-0000-0000-000000000001";

/// Stores the resources that the examples of the document name.
pub(crate) async fn fill(api: &Fixture) -> Result<()> {
    let (client, connection) = connect(&api.database.url(), NoTls).await?;
    tokio::spawn(connection);
    let insert = "INSERT INTO clients (id, first_name, last_name) VALUES ('00000000-0000-0000-0000-000000000001', 'Ada', 'Lovelace')";
    Ok(client.batch_execute(insert).await?)
}
