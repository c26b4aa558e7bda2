//! Keys by which a repeated request is recognised.

use crate::Invalid;
use sha2::{Digest, Sha256};
use std::fmt;

/// Maximum length of a key.
pub const KEY_MAX: usize = 255;

/// Key that a caller chose for a request and sends again with every repetition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Parses a key: 1 to 255 visible ASCII characters.
    ///
    /// # Errors
    /// Returns [`Invalid`] naming the header `Idempotency-Key` if the text is not such a key.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_visible || !(1..=KEY_MAX).contains(&text.len()) {
            let message = format!("must have 1 to {KEY_MAX} visible ASCII characters");
            return Err(Invalid::field("Idempotency-Key", message));
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// SHA-256 of a request. Two requests with the same hash ask for the same thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHash([u8; 32]);

impl RequestHash {
    /// Returns the hash of a request to `target`, which is the method and the path, with `body`.
    pub fn of(target: &str, body: &[u8]) -> Self {
        let hash = Sha256::new().chain_update((target.len() as u64).to_be_bytes()).chain_update(target);
        Self(hash.chain_update(body).finalize().into())
    }

    /// Returns the 32 bytes as they are stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Writes 64 hexadecimal digits.
impl fmt::Display for RequestHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A request that its caller may repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeatable {
    /// Key of the request.
    pub key: IdempotencyKey,
    /// Hash of the request, which tells a repetition from another request with the same key.
    pub hash: RequestHash,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_visible_ascii_of_bounded_length() {
        for good in ["a", "6f1c-42", &"k".repeat(255)] {
            assert_eq!(IdempotencyKey::parse(good).map(|key| key.0).as_deref(), Ok(good));
        }
        for bad in ["", "a b", "a\u{7f}", "ä", &"k".repeat(256)] {
            let fields = IdempotencyKey::parse(bad).expect_err(bad).fields().to_vec();
            assert_eq!(fields[0].field, "Idempotency-Key");
        }
    }

    #[test]
    fn target_and_body_both_count() {
        let hash = |target, body: &str| RequestHash::of(target, body.as_bytes());
        assert_eq!(hash("POST /a", "x"), hash("POST /a", "x"));
        assert_ne!(hash("POST /a", "x"), hash("POST /a", "y"));
        assert_ne!(hash("POST /ab", "c"), hash("POST /a", "bc"), "the boundary between them counts, too");
    }
}
