//! Statements of the program that belong to no operation.

/// Purpose of each such statement, and a part of its text.
const INTERNAL: [(&str, &str); 14] = [
    ("internal.type_lookup", "pg_type"),
    ("internal.type_lookup", "pg_enum"),
    ("internal.capacity", "max_connections"),
    ("internal.migrations", "__diesel_schema_migrations"),
    ("internal.migrations", "SELECT pg_advisory_lock("),
    // Released after a contended write, see docs/decisions/0005.
    ("internal.contention", "SELECT pg_advisory_unlock("),
    ("internal.migrations", "SELECT to_regclass("),
    ("internal.migrations", "pg_backend_pid()"),
    ("internal.migrations", "pg_blocking_pids("),
    ("internal.migrations", "INSERT INTO pidms_products"),
    ("internal.migrations", "SELECT count(*), min(id) FROM pidms_keys WHERE keyname !~"),
    ("internal.migrations", "UPDATE api_keys SET expires_at = $1 WHERE expires_at >= $2"),
    // Called once by migrations. The operations of the program select the results in another way.
    ("internal.migrations", "SELECT search_logs_upkeep()"),
    ("internal.migrations", "SELECT audit_log_upkeep("),
];

/// Returns true if a statement belongs to no operation.
pub(crate) fn is_internal(text: &str) -> bool {
    INTERNAL.iter().any(|(_, part)| text.contains(part))
}
