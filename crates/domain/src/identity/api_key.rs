//! API keys: their format, their generation, and what is stored of them.
//!
//! A key is `sf_`, 43 random letters and digits, and a checksum of six more. The checksum is the CRC-32 of everything
//! before it in base 62. It contains no secret: it only tells typing errors, truncated keys and garbage apart from keys
//! that may exist, without a look-up. Secret scanners find leaked keys by `sf_[0-9A-Za-z]{49}`.

use super::Scope;
use crate::{Invalid, text};
use rand::Rng;
use rand::distr::Alphanumeric;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::fmt;

/// Beginning of every API key.
const PREFIX: &str = "sf_";

/// Number of random characters. 43 letters and digits hold 256 bits.
const RANDOM_LENGTH: usize = 43;

/// Digits of base 62 in ascending order.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Number of characters of the checksum. Six digits of base 62 hold 32 bits.
const CHECKSUM_LENGTH: u32 = 6;

/// Number of leading characters that are stored in clear and may be shown to tell keys apart.
const SHOWN_LENGTH: usize = 8;

/// SHA-256 of an API key. Keys have 256 random bits, so a slow hash would add nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// Hash that no key is known to have, for checking whether keys can be looked up at all.
    pub const OF_NO_KEY: Self = Self([0; 32]);

    /// Returns the hash of a presented key, or `None` if the text does not have the format of a key.
    pub fn of_presented(presented: &str) -> Option<Self> {
        let (body, checksum) = presented.split_at_checked(PREFIX.len() + RANDOM_LENGTH)?;
        let is_random_part = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let is_well_formed =
            body.strip_prefix(PREFIX).is_some_and(is_random_part) && checksum == checksum_of(body);
        is_well_formed.then(|| Self::of(presented))
    }

    /// Wraps the 32 bytes of a stored hash.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    /// Returns the 32 bytes as they are stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(***)")
    }
}

/// Newly generated API key and the record to store for it.
#[derive(Debug)]
pub struct NewApiKey {
    /// The key itself. It is not stored and cannot be recovered.
    pub secret: SecretString,
    /// The record to store.
    pub record: ApiKeyRecord,
}

/// Stored form of an API key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyRecord {
    /// Purpose of the key, in its owner's words.
    pub name: String,
    /// Hash of the key.
    pub hash: KeyHash,
    /// First characters of the key, to tell keys apart.
    pub prefix: String,
    /// Scopes that the key grants.
    pub scopes: Vec<Scope>,
}

impl NewApiKey {
    /// Generates a key of 256 random bits for `name` that grants `scopes`.
    ///
    /// # Errors
    /// Returns [`Invalid`] naming `name` if it does not have 1 to 100 characters, or `scope` if there is none.
    pub fn generate(name: &str, scopes: Vec<Scope>) -> Result<Self, Invalid> {
        let name = text::plain("name", name, 1..=100)?;
        if scopes.is_empty() {
            return Err(Invalid::field("scope", "at least one is needed"));
        }
        // The thread's generator is cryptographically secure and seeded by the operating system.
        let random = rand::rng().sample_iter(Alphanumeric).take(RANDOM_LENGTH).map(char::from);
        let mut key: String = PREFIX.chars().chain(random).collect();
        key.push_str(&checksum_of(&key));
        let secret = SecretString::from(key);
        let prefix = secret.expose_secret().chars().take(SHOWN_LENGTH).collect();
        let hash = KeyHash::of(secret.expose_secret());
        Ok(Self { secret, record: ApiKeyRecord { name, hash, prefix, scopes } })
    }
}

/// Returns the checksum of a key without its checksum. A CRC-32 detects every changed character and every pair of
/// swapped neighbours in the part that it covers, not only most of them.
fn checksum_of(body: &str) -> String {
    let crc = crc32fast::hash(body.as_bytes());
    let digit = |place| char::from(DIGITS[(crc / 62_u32.pow(place) % 62) as usize]);
    (0..CHECKSUM_LENGTH).rev().map(digit).collect()
}

#[cfg(test)]
mod tests;
