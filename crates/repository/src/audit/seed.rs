//! The audit trail with its seals and the idempotency records, as they are seeded.

use crate::cases::{Rows, Table};

/// The tables of the area.
pub(crate) const TABLES: &[Table] = &[
    // Of a thousand callers, a twentieth of them expired.
    Table {
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
    },
    // In the seven months that have partitions. Most requests are reads, one row in 100 belongs to a busy client, and one
    // in 100 to an import, up to 8,000 rows. One in 500 is an export, and one in 200 was refused.
    Table {
        name: "audit_log",
        columns: "id, created_at, correlation_id, user_id, session_id, api_key_id, action, resource_type, \
            resource_id, old_values, new_values, success, error_message, ip_address, user_agent",
        per_mille: 2_000,
        at_most: u64::MAX,
        rows: Rows::Selected(
            "SELECT n, date_trunc('month', now(), 'UTC') + n * (interval '210 days' / $count), \
                CASE WHEN n % 100 = 1 AND n < 800000 THEN 'import' ELSE 'request-' || n / 3 END, \
                CASE WHEN is_user THEN caller END, CASE WHEN is_user THEN caller * 10 END, \
                CASE WHEN NOT is_user THEN caller END, action, \
                CASE WHEN n % 100 = 0 AND n < 800000 THEN 'client' ELSE \
                    (ARRAY['client', 'note', 'appointment', 'ledger_entry', 'api_key'])[(1 + n * 31 % 5)::integer] END, \
                CASE WHEN n % 100 = 0 AND n < 800000 THEN 'busy' ELSE (n * 13 % (1 + $count / 20))::text END, \
                CASE WHEN action IN ('update', 'delete') THEN jsonb_build_object('id', n, 'version', 1) END, \
                CASE WHEN action IN ('update', 'create') THEN jsonb_build_object('id', n, 'version', 2) END, \
                n % 200 <> 0, CASE WHEN n % 200 = 0 THEN 'has another version than expected' END, \
                inet '192.0.2.0' + n % 250, 'till/1.0' \
             FROM (SELECT n, n * 7919 % 10 < 8 AS is_user, 1 + n * 7927 % 50 AS caller, \
                CASE WHEN n * 7919 % 1000 < 600 THEN 'read' WHEN n * 7919 % 1000 < 850 THEN 'update' \
                    WHEN n * 7919 % 1000 < 990 THEN 'create' WHEN n * 7919 % 1000 < 998 THEN 'delete' \
                    ELSE 'export' END AS action \
                FROM generate_series(1::bigint, $count) AS n) AS numbered",
        ),
    },
    // Ten rows each. The last 1,500 rows of the trail have no seal. The hashes are not those of the rows.
    Table {
        name: "audit_seals",
        columns: "number, first_id, last_id, row_ids, row_times, row_hashes, sealed_at, hash",
        per_mille: 200,
        at_most: u64::MAX,
        rows: Rows::Selected(
            "SELECT n, n * 10 - 9, n * 10, ARRAY(SELECT generate_series(n * 10 - 9, n * 10)), \
                array_fill(timestamptz '2026-01-01 00:00:00+00', ARRAY[10]), \
                ARRAY(SELECT sha256(id::text::bytea) FROM generate_series(n * 10 - 9, n * 10) AS id), \
                timestamptz '2026-01-01 00:00:00+00', sha256(n::text::bytea) \
             FROM generate_series(1::bigint, $count - 150) AS n",
        ),
    },
];
