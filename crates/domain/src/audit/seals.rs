//! Seals: a chain of hashes over the rows of the audit trail.
//!
//! Each seal covers the ids after those of the seal before it. Its hash covers the rows and the hash of the seal before, so
//! that a change of any row or seal changes all later hashes.

mod verifier;

pub use verifier::{Finding, Verifier};

use crate::Invalid;
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// Maximum number of rows in a seal.
pub const SEAL_MAX: usize = 1_000;

/// SHA-256 of a row or a seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hash([u8; 32]);

impl Hash {
    /// Returns the hash of a row in its canonical text, which has all columns.
    pub fn of_row(canonical: &str) -> Self {
        Self(Sha256::digest(canonical).into())
    }

    /// Returns the hash with these bytes; `None` unless there are 32.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Returns the 32 bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Writes 64 hexadecimal digits.
impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A row of the trail, reduced to what its seal contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedRow {
    /// Id of the row.
    pub id: i64,
    /// Time of the row.
    pub created_at: DateTime<Utc>,
    /// Hash of the row.
    pub hash: Hash,
}

/// End of a chain of seals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainEnd {
    /// Number of the last seal; 0 if there is none.
    pub number: i64,
    /// Last id that the seals cover.
    pub last_id: i64,
    /// Hash of the last seal.
    pub hash: Hash,
}

impl ChainEnd {
    /// End of a chain without seals.
    pub const START: Self = Self { number: 0, last_id: 0, hash: Hash([0; 32]) };
}

/// A seal over rows of the trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// Number of the seal, from 1.
    pub number: i64,
    /// First id that the seal covers.
    pub first_id: i64,
    /// Last id that the seal covers.
    pub last_id: i64,
    /// The rows, by id.
    pub rows: Vec<SealedRow>,
    /// Time of the seal, in microseconds as the database stores it.
    pub sealed_at: DateTime<Utc>,
    /// Hash of the seal.
    pub hash: Hash,
}

impl Seal {
    /// Creates the seal that follows `end` and covers all ids up to `last_id`, of which `rows` exist.
    pub fn after(end: &ChainEnd, rows: Vec<SealedRow>, last_id: i64, sealed_at: DateTime<Utc>) -> Self {
        let (number, first_id) = (end.number + 1, end.last_id + 1);
        let seal = Self { number, first_id, last_id, rows, sealed_at, hash: end.hash };
        Self { hash: seal.hash_after(&end.hash), ..seal }
    }

    /// Returns the end of the chain that ends with this seal.
    pub fn end(&self) -> ChainEnd {
        ChainEnd { number: self.number, last_id: self.last_id, hash: self.hash }
    }

    /// Returns true if the seal is the one that followed `end`, and is unchanged.
    fn follows(&self, end: &ChainEnd) -> bool {
        self.first_id == end.last_id + 1 && self.hash == self.hash_after(&end.hash)
    }

    /// Returns the hash of all fields and of the seal before. Every field has a fixed length, so that no two seals have
    /// the same input.
    fn hash_after(&self, before: &Hash) -> Hash {
        let numbers =
            [self.number, self.first_id, self.last_id, micros(self.sealed_at), self.rows.len() as i64];
        let mut digest = Sha256::new().chain_update(before.0);
        numbers.iter().for_each(|number| digest.update(number.to_be_bytes()));
        for SealedRow { id, created_at, hash } in &self.rows {
            digest.update(id.to_be_bytes());
            digest.update(micros(*created_at).to_be_bytes());
            digest.update(hash.0);
        }
        Hash(digest.finalize().into())
    }
}

fn micros(time: DateTime<Utc>) -> i64 {
    time.timestamp_micros()
}

/// Hash of a seal that was noted outside the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotedSeal {
    /// Number of the seal.
    pub number: i64,
    /// Its hash when it was noted.
    pub hash: Hash,
}

/// Parses `NUMBER:HASH`.
impl FromStr for NotedSeal {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let parse = || {
            let (number, digits) = text.split_once(':')?;
            let number = number.parse().ok().filter(|number| *number > 0)?;
            let is_hash = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
            let bytes: Option<Vec<u8>> = (0..64).step_by(2).map(byte).collect();
            Some(Self { number, hash: Hash::from_bytes(&bytes.filter(|_| is_hash)?)? })
        };
        parse().ok_or_else(|| {
            Invalid::field("expect", "must be NUMBER:HASH, with a hash of 64 hexadecimal digits")
        })
    }
}

impl fmt::Display for NotedSeal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.number, self.hash)
    }
}

#[cfg(test)]
mod tests;
