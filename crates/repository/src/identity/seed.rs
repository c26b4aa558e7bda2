//! API keys, users and sessions as they are seeded: a tenth of the keys is revoked, another tenth is expired, and a tenth
//! of the users is inactive. The first thousand sessions have not expired. A quarter of all sessions is revoked, and
//! users whose row id ends in 3 have none.

use crate::cases::{Rows, Table};
use steadfast_domain::identity::KeyHash;

/// The tables of the area.
pub(crate) const TABLES: &[Table] = &[
    Table {
        name: "api_keys",
        columns: "id, key_hash, name, key_prefix, scopes, created_at, expires_at, revoked_at, last_used_at",
        per_mille: 60,
        at_most: 6_000,
        rows: Rows::Selected(
            "SELECT n, sha256(('key ' || n)::bytea), 'program ' || n, 'sf_' || lpad(to_hex(n % 1048576), 5, '0'), \
                '{keys:read}'::text[], timestamptz '2025-01-01 00:00:00+00', \
                CASE n % 10 WHEN 1 THEN timestamptz '2026-01-01 00:00:00+00' END, \
                CASE n % 10 WHEN 2 THEN timestamptz '2026-01-01 00:00:00+00' END, \
                CASE n % 10 WHEN 3 THEN timestamptz '2126-01-01 00:00:00+00' \
                    WHEN 4 THEN timestamptz '2026-01-01 00:00:00+00' END \
             FROM generate_series(1, $count) AS n",
        ),
    },
    Table {
        name: "users",
        columns: "id, email, phone_number, display_name, password_hash, roles, is_active, created_at, updated_at",
        per_mille: 60,
        at_most: 6_000,
        rows: Rows::Selected(
            "SELECT n, CASE WHEN n % 5 > 0 THEN 'user-' || n || '@example.com' END, \
                CASE WHEN n % 5 = 0 THEN '+1202555' || lpad(n::text, 6, '0') END, 'User ' || n, '$argon2id$seeded', \
                CASE n % 10 WHEN 1 THEN '{admin}' WHEN 3 THEN '{clinician,biller}' ELSE '{front_desk}' END::text[], \
                n % 10 <> 2, timestamptz '2025-01-01 00:00:00+00', timestamptz '2025-01-01 00:00:00+00' \
             FROM generate_series(1, $count) AS n",
        ),
    },
    Table {
        name: "auth_session",
        columns: "id, user_id, session_token_hash, created_at, last_activity_at, expires_at, revoked_at, user_agent",
        per_mille: 500,
        at_most: u64::MAX,
        rows: Rows::Selected(
            "SELECT n, CASE WHEN n % 4 = 0 AND n < 1000 THEN 7 WHEN usual % 10 = 3 THEN usual + 1 ELSE usual END, \
                sha256(('session ' || n)::bytea), began, began, began + interval '12 hours', \
                CASE n % 4 WHEN 1 THEN began + interval '1 hour' END, 'Mozilla/5.0 ' || n % 20 \
             FROM (SELECT n, n % (SELECT count(*) FROM users) + 1 AS usual, CASE WHEN n < 1000 THEN timestamptz '2126-01-01 00:00:00+00' \
                ELSE timestamptz '2026-01-01 00:00:00+00' END + interval '1 minute' * n AS began \
                FROM generate_series(1, $count) AS n) AS numbered",
        ),
    },
    Table {
        name: "auth_login_attempts",
        columns: "login_hash, attempts, expires_at",
        per_mille: 200,
        at_most: u64::MAX,
        rows: Rows::Selected(
            "SELECT sha256(('user-' || n || '@example.com')::bytea), n % 6 + 1, \
                CASE WHEN n % 20 = 0 THEN timestamptz '2026-01-01 00:00:00+00' \
                    ELSE timestamptz '2126-01-01 00:00:00+00' END + interval '1 hour' * n \
             FROM generate_series(1, $count) AS n",
        ),
    },
];

/// Hash of the password of each seeded user, which no password has.
pub(super) const PASSWORD_HASH: &str = "$argon2id$seeded";

/// Returns the hash of the seeded key `id`, which is valid if `id` is a multiple of ten. No key has this hash.
pub(super) fn hash(id: i64) -> KeyHash {
    KeyHash::of_text(&format!("key {id}"))
}

/// Returns the hash of the token of the seeded session `id`, which has not ended if `id` is a multiple of four
/// below 1,000.
pub(super) fn token(id: i64) -> KeyHash {
    KeyHash::of_text(&format!("session {id}"))
}
