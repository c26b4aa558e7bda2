//! Keys of values: an area, and a digest of the request.

use sha2::{Digest as _, Sha256};
use std::time::Duration;

/// A kind of values, which are invalidated together. Declare it as a constant next to the function that loads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    pub(crate) name: &'static str,
    pub(crate) type_version: u32,
    pub(crate) ttl: Option<Duration>,
}

impl Area {
    /// Creates an area. `name` is a metric label and part of the keys: a few lower-case words without user input.
    /// Increase `type_version` whenever the type of the values changes, so that nodes of two releases do not share
    /// values.
    pub const fn new(name: &'static str, type_version: u32) -> Self {
        Self { name, type_version, ttl: None }
    }

    /// Sets a TTL that replaces [`CacheSettings::ttl`](crate::CacheSettings::ttl).
    #[must_use]
    pub const fn ttl(self, ttl: Duration) -> Self {
        Self { ttl: Some(ttl), ..self }
    }

    /// Returns the name of the area.
    pub const fn name(self) -> &'static str {
        self.name
    }
}

/// The key of a value: a digest of 16 bytes. User input cannot be read from it and does not appear in logs, although an
/// attacker with access to the cache can test guesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    pub(crate) area: Area,
    pub(crate) digest: [u8; 16],
}

impl Key {
    /// Creates the key of a value of `area`. `["ab", "c"]` and `["a", "bc"]` are different keys.
    pub fn new(area: Area, parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        let mut digest = [0; 16];
        digest.copy_from_slice(&hash.finalize()[..16]);
        Self { area, digest }
    }

    /// Returns the digest as 32 hexadecimal digits.
    pub(crate) fn hex(&self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.digest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const AREA: Area = Area::new("search", 1);

    proptest! {
        #[test]
        fn keys_are_equal_only_if_parts_are(
            one in prop::collection::vec("[ab]{0,3}", 0..4),
            other in prop::collection::vec("[ab]{0,3}", 0..4),
        ) {
            let key = |parts: &[String]| {
                Key::new(AREA, &parts.iter().map(String::as_str).collect::<Vec<_>>()).digest
            };
            prop_assert_eq!(key(&one) == key(&other), one == other);
        }

        #[test]
        fn key_has_fixed_length_and_hides_input(typed in ".{8,500}") {
            let key = Key::new(AREA, &[&typed]);
            prop_assert_eq!(key.hex().len(), 32);
            let shown = format!("{key:?}");
            prop_assert!(!shown.contains(typed.as_str()));
        }
    }
}
