//! The practice over the whole API.

mod appointments;
mod clients;
mod ledger;
mod notes;
mod providers;

use crate::support::{Answered, Fixture, ask};
use anyhow::Result;
use axum::body::Body;
use axum::http::Request;
use serde_json::Value;
use tokio_postgres::{NoTls, connect};

/// Id of the client that [`fill`] stores, as the examples of the document name it.
pub(crate) const CLIENT: &str = "00000000-0000-0000-0000-000000000001";

/// Id of the provider that [`fill`] stores.
pub(crate) const PROVIDER: &str = CLIENT;

/// Stores the resources that the examples of the document name. The second appointment is confirmed, the third completed.
pub(crate) async fn fill(api: &Fixture) -> Result<()> {
    let (client, connection) = connect(&api.database.url(), NoTls).await?;
    tokio::spawn(connection);
    // The first entry of the ledger is posted, the third reconciled; the others are drafts.
    let insert = "INSERT INTO clients (id, first_name, last_name) VALUES \
            ('00000000-0000-0000-0000-000000000001', 'Ada', 'Lovelace'), \
            ('01980000-0000-7000-8000-000000000001', 'Grace', 'Hopper'); \
        INSERT INTO providers (id, first_name, last_name, email) VALUES \
            ('00000000-0000-0000-0000-000000000001', 'Grace', 'Hopper', 'grace@example.com'), \
            ('00000000-0000-0000-0000-000000000002', 'Joan', 'Clarke', 'joan@example.com'); \
        INSERT INTO appointments (id, client_id, provider_id, scheduled_start, scheduled_end, status) \
            SELECT lpad(n::text, 32, '0')::uuid, '00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000001', \
                start, start + interval '50 minutes', status \
            FROM (VALUES (1, timestamptz '2030-05-07 09:00Z', 'scheduled'), (2, '2030-05-07 11:00Z', 'confirmed'), \
                (3, '2026-05-07 09:00Z', 'completed')) AS stored (n, start, status); \
        INSERT INTO notes (id, client_id, provider_id, title, content, is_locked) \
            SELECT lpad(n::text, 32, '0')::uuid, '00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000001', \
                'Session', 'A good session.', n = 5 FROM generate_series(1, 5) AS n; \
        INSERT INTO ledger (id, client_id, transaction_type, amount, description, service_date, is_posted, reconciliation_date) \
            SELECT lpad(n::text, 32, '0')::uuid, '00000000-0000-0000-0000-000000000001', 'charge', 120, 'A session', \
                '2026-03-02', n IN (1, 3), CASE n WHEN 3 THEN date '2026-04-01' END FROM generate_series(1, 5) AS n";
    Ok(client.batch_execute(insert).await?)
}

/// Sends `PUT` with `If-Match` and returns the answer.
pub(crate) async fn put(api: &Fixture, uri: &str, etag: &str, body: &Value) -> Answered {
    let request = Request::put(uri).header("x-api-key", api.key());
    let request = request.header("content-type", "application/json").header("if-match", etag);
    ask(&api.router, request.body(Body::from(body.to_string())).expect("a request")).await
}
