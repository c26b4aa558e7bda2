//! API keys: their format, their generation, and what is stored of them.
//!
//! A key is `sf_`, 43 random letters and digits, and a checksum of six more. The checksum is the CRC-32 of everything
//! before it in base 62. It contains no secret: it only tells typing errors, truncated keys and garbage apart from keys
//! that may exist, without a look-up. Secret scanners find leaked keys by `sf_[0-9A-Za-z]{49}`.

use super::Scope;
use crate::page::PageLimits;
use crate::version::Version;
use crate::{Checks, Invalid, text};
use chrono::{DateTime, Datelike, Utc};
use rand::Rng;
use rand::distr::Alphanumeric;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::fmt;
use utoipa::ToSchema;

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
        is_well_formed.then(|| Self::of_text(presented))
    }

    /// Wraps the 32 bytes of a stored hash.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the hash of any text. Use [`KeyHash::of_presented`] for what callers present.
    pub fn of_text(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
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

/// Page sizes of the list of keys.
pub const API_KEYS_PAGE: PageLimits = PageLimits { default: 50, max: 100 };

/// Stored API key, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ApiKey {
    /// Row id.
    pub id: i64,
    /// Purpose of the key.
    pub name: String,
    /// First characters of the key, to tell keys apart.
    pub key_prefix: String,
    /// Scopes that the key grants.
    pub scopes: Vec<Scope>,
    /// Time of its creation.
    pub created_at: DateTime<Utc>,
    /// Time from which on the key is refused; null if it does not expire.
    pub expires_at: Option<DateTime<Utc>>,
    /// Time of its revocation; null if it was not revoked.
    pub revoked_at: Option<DateTime<Utc>>,
    /// Number of its changes, from 1. The `ETag` of the key.
    pub version: Version,
}

/// Parts of an API key that its owner sets and can change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeySettings {
    /// Purpose of the key.
    pub name: String,
    /// Scopes that the key grants.
    pub scopes: Vec<Scope>,
    /// Time from which on the key is refused.
    pub expires_at: Option<DateTime<Utc>>,
}

impl ApiKeySettings {
    /// Checks the parts of a key.
    ///
    /// # Errors
    /// Returns [`Invalid`] naming `name` if it does not have 1 to 100 characters, `scopes` if there is none or one that
    /// cannot be granted, and `expires_at` if the year has more than four digits.
    pub fn parse(
        name: &str,
        scopes: &[impl AsRef<str>],
        expires_at: Option<DateTime<Utc>>,
    ) -> Result<Self, Invalid> {
        let mut checks = Checks::default();
        let name = checks.keep(text::plain("name", name, 1..=100));
        let scopes = checks.keep(Scope::parse_grantable(scopes));
        let is_in_range = expires_at.is_none_or(|end| (0..10_000).contains(&end.year()));
        let in_range = checks.keep(match is_in_range {
            true => Ok(()),
            false => Err(Invalid::field("expires_at", "must have a year of four digits")),
        });
        match (name, scopes, in_range) {
            (Some(name), Some(scopes), Some(())) => Ok(Self { name, scopes, expires_at }),
            _ => Err(checks.refused()),
        }
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
    /// Hash of the key.
    pub hash: KeyHash,
    /// First characters of the key, to tell keys apart.
    pub prefix: String,
    /// Name, scopes and expiry.
    pub settings: ApiKeySettings,
}

impl NewApiKey {
    /// Generates a key of 256 random bits.
    pub fn generate(settings: ApiKeySettings) -> Self {
        // The thread's generator is cryptographically secure and seeded by the operating system.
        let random = rand::rng().sample_iter(Alphanumeric).take(RANDOM_LENGTH).map(char::from);
        let mut text: String = PREFIX.chars().chain(random).collect();
        text.push_str(&checksum_of(&text));
        let secret = SecretString::from(text);
        let prefix = secret.expose_secret().chars().take(SHOWN_LENGTH).collect();
        let hash = KeyHash::of_text(secret.expose_secret());
        Self { secret, record: ApiKeyRecord { hash, prefix, settings } }
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
