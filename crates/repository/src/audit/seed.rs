//! Idempotency records as they are seeded: of a thousand callers, a twentieth of them expired.

use crate::cases::{Rows, Table};

/// The tables of the area.
pub(crate) const TABLES: &[Table] = &[Table {
    name: "idempotency_records",
    columns: "principal, key, route, request_hash, resource_id, body, created_at, expires_at",
    per_mille: 200,
    at_most: u64::MAX,
    rows: Rows::Selected(
        "SELECT 'api_key:' || n % 1000, 'request-' || n, 'identity.create_api_key', sha256(n::text::bytea), n::text, \
            '{\"id\": ' || n || '}', expires_at - interval '24 hours', expires_at \
         FROM (SELECT n, CASE WHEN n < $count / 20 THEN timestamptz '2026-01-01 00:00:00+00' \
            ELSE timestamptz '2126-01-01 00:00:00+00' END + interval '1 hour' * n AS expires_at \
            FROM generate_series(0, $count - 1) AS n) AS numbered",
    ),
}];
