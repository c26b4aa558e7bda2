//! Format of API keys and session tokens.
//!
//! A secret is a prefix that says what it is, 43 random letters and digits, and a checksum of six more. The checksum is
//! the CRC-32 of everything before it in base 62. It contains no secret: it only tells typing errors, truncated secrets
//! and garbage apart from those that may exist, without a look-up. Secret scanners find leaked ones by
//! `s[fs]_[0-9A-Za-z]{49}`.

use super::{api_keys, sessions};
use rand::Rng;
use rand::distr::Alphanumeric;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::fmt;

/// Number of random characters. 43 letters and digits hold 256 bits.
const RANDOM_LENGTH: usize = 43;

/// Digits of base 62 in ascending order.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Number of characters of the checksum. Six digits of base 62 hold 32 bits.
const CHECKSUM_LENGTH: u32 = 6;

/// SHA-256 of an API key or a session token. They have 256 random bits, so a slow hash would add nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// Hash that no key is known to have, for checking whether keys can be looked up at all.
    pub const OF_NO_KEY: Self = Self([0; 32]);

    /// Returns the hash of a presented API key, or `None` if the text does not have the format of one.
    pub fn of_presented(presented: &str) -> Option<Self> {
        match Credential::of_presented(presented)? {
            Credential::ApiKey(hash) => Some(hash),
            Credential::Session(_) => None,
        }
    }

    /// Wraps the 32 bytes of a stored hash.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the hash of any text. Use [`Credential::of_presented`] for what callers present.
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

/// Hash of what a caller presents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Credential {
    /// An API key.
    ApiKey(KeyHash),
    /// The token of a session.
    Session(KeyHash),
}

impl Credential {
    /// Returns the credential that a caller presents, or `None` if the text does not have the format of one.
    pub fn of_presented(presented: &str) -> Option<Self> {
        let kind = match presented.get(..api_keys::PREFIX.len())? {
            api_keys::PREFIX => Self::ApiKey,
            sessions::PREFIX => Self::Session,
            _ => return None,
        };
        let (body, checksum) = presented.split_at_checked(api_keys::PREFIX.len() + RANDOM_LENGTH)?;
        let random = &body[api_keys::PREFIX.len()..];
        let is_well_formed =
            random.bytes().all(|byte| byte.is_ascii_alphanumeric()) && checksum == checksum_of(body);
        is_well_formed.then(|| kind(KeyHash::of_text(presented)))
    }
}

/// Generates a secret of 256 random bits, and returns its hash with it.
pub(super) fn generate(prefix: &str) -> (SecretString, KeyHash) {
    // The thread's generator is cryptographically secure and seeded by the operating system.
    let random = rand::rng().sample_iter(Alphanumeric).take(RANDOM_LENGTH).map(char::from);
    let mut text: String = prefix.chars().chain(random).collect();
    text.push_str(&checksum_of(&text));
    let secret = SecretString::from(text);
    let hash = KeyHash::of_text(secret.expose_secret());
    (secret, hash)
}

/// Returns the checksum of a secret without its checksum. A CRC-32 detects every changed character and every pair of
/// swapped neighbours in the part that it covers, not only most of them.
fn checksum_of(body: &str) -> String {
    let crc = crc32fast::hash(body.as_bytes());
    let digit = |place| char::from(DIGITS[(crc / 62_u32.pow(place) % 62) as usize]);
    (0..CHECKSUM_LENGTH).rev().map(digit).collect()
}

#[cfg(test)]
mod tests;
