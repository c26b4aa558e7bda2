//! API keys as they are seeded: a tenth is revoked, another tenth is expired.

use crate::cases::{Rows, Table};
use steadfast_domain::identity::KeyHash;

/// The tables of the area.
pub(crate) const TABLES: &[Table] = &[Table {
    name: "api_keys",
    columns: "id, key_hash, name, key_prefix, scopes, created_at, expires_at, revoked_at",
    per_mille: 60,
    at_most: 6_000,
    rows: Rows::Selected(
        "SELECT n, sha256(('key ' || n)::bytea), 'program ' || n, 'sf_' || lpad(to_hex(n % 1048576), 5, '0'), \
            '{keys:read}'::text[], timestamptz '2025-01-01 00:00:00+00', \
            CASE n % 10 WHEN 1 THEN timestamptz '2026-01-01 00:00:00+00' END, \
            CASE n % 10 WHEN 2 THEN timestamptz '2026-01-01 00:00:00+00' END \
         FROM generate_series(1, $count) AS n",
    ),
}];

/// Returns the hash of the seeded key `id`, which is valid if `id` is a multiple of ten. No key has this hash.
pub(super) fn hash(id: i64) -> KeyHash {
    KeyHash::of_text(&format!("key {id}"))
}
