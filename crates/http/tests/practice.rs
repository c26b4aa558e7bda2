//! The practice over the whole API.

mod clients;
mod ledger;

use crate::support::Fixture;
use anyhow::Result;
use tokio_postgres::{NoTls, connect};

/// Id of the client that [`fill`] stores, as the examples of the document name it.
pub(crate) const CLIENT: &str = "00000000-0000-0000-0000-000000000001";

/// Stores the resources that the examples of the document name.
pub(crate) async fn fill(api: &Fixture) -> Result<()> {
    let (client, connection) = connect(&api.database.url(), NoTls).await?;
    tokio::spawn(connection);
    // The first entry is posted, the third reconciled; the others are drafts.
    let insert = "INSERT INTO clients (id, first_name, last_name) VALUES \
            ('00000000-0000-0000-0000-000000000001', 'Ada', 'Lovelace'), \
            ('01980000-0000-7000-8000-000000000001', 'Grace', 'Hopper'); \
        INSERT INTO ledger (id, client_id, transaction_type, amount, description, service_date, is_posted, reconciliation_date) \
            SELECT lpad(n::text, 32, '0')::uuid, '00000000-0000-0000-0000-000000000001', 'charge', 120, 'A session', \
                '2026-03-02', n IN (1, 3), CASE n WHEN 3 THEN date '2026-04-01' END FROM generate_series(1, 5) AS n";
    Ok(client.batch_execute(insert).await?)
}
