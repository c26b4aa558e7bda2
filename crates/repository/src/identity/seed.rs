//! API keys as they are seeded: a tenth was withdrawn, another tenth is over.

use crate::cases::{Table, mixed};
use bytes::BytesMut;
use std::fmt::Write as _;
use steadfast_domain::identity::KeyHash;

/// The tables of the area.
pub(crate) const TABLES: &[Table] = &[Table {
    name: "api_keys",
    columns: "id, key_hash, name, key_prefix, scopes, created_at, expires_at, revoked_at",
    per_mille: 200,
    at_most: u64::MAX,
    row,
}];

/// The tenth whose time is over.
const EXPIRED: u64 = 1;

/// The tenth that was withdrawn.
const REVOKED: u64 = 2;

/// Returns the hash that row `number` stores. Nobody has a key with this hash.
pub(super) fn hash(number: u64) -> KeyHash {
    let mut bytes = [0; 32];
    for (part, salt) in bytes.chunks_exact_mut(8).zip(14..) {
        part.copy_from_slice(&mixed(number, salt).to_be_bytes());
    }
    KeyHash::from_bytes(bytes)
}

/// The numbers of the rows whose keys are neither withdrawn nor over.
pub(super) fn in_use() -> impl Iterator<Item = u64> {
    (0..).filter(|number| !matches!(tenth(*number), EXPIRED | REVOKED))
}

/// Which tenth of the keys the row belongs to.
fn tenth(number: u64) -> u64 {
    mixed(number, 13) % 10
}

fn row(number: u64, line: &mut BytesMut) {
    let ended = |end: u64| if tenth(number) == end { "2026-01-01 00:00:00+00" } else { "\\N" };
    _ = write!(line, "{}\t\\\\x", number + 1);
    hash(number).as_bytes().iter().for_each(|byte| _ = write!(line, "{byte:02x}"));
    _ = writeln!(
        line,
        "\tprogram {number}\tsf_{:05x}\t{{keys:read}}\t2025-01-01 00:00:00+00\t{}\t{}",
        number % 0xfffff,
        ended(EXPIRED),
        ended(REVOKED)
    );
}
