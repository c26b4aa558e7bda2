//! Under which name a value is kept: an area that is invalidated as one, and a digest of what was asked.

use sha2::{Digest as _, Sha256};
use std::time::Duration;

/// Values of one kind, that are invalidated together. A constant beside the function that loads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    pub(crate) name: &'static str,
    pub(crate) shape: u32,
    pub(crate) ttl: Option<Duration>,
}

impl Area {
    /// The area `name`, which labels metrics and begins keys: a few lower-case words, never of what a user typed.
    /// Raise `shape` whenever the type of the values changes, so that nodes of two releases do not meet.
    pub const fn new(name: &'static str, shape: u32) -> Self {
        Self { name, shape, ttl: None }
    }

    /// The same with a TTL of its own instead of the one of the settings.
    #[must_use]
    pub const fn ttl(self, ttl: Duration) -> Self {
        Self { ttl: Some(ttl), ..self }
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        self.name
    }
}

/// The name of one value: 16 bytes of a digest, however long its parts are. What a user typed cannot be read from it
/// and stands in no log, though somebody who holds the cache can try guesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    pub(crate) area: Area,
    pub(crate) digest: [u8; 16],
}

impl Key {
    /// The value of `area` for these parts, in this order. `["ab", "c"]` and `["a", "bc"]` are two keys.
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

    /// The digest as 32 hexadecimal digits.
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
        fn two_keys_are_equal_only_if_their_parts_are(
            one in prop::collection::vec("[ab]{0,3}", 0..4),
            other in prop::collection::vec("[ab]{0,3}", 0..4),
        ) {
            let key = |parts: &[String]| {
                Key::new(AREA, &parts.iter().map(String::as_str).collect::<Vec<_>>()).digest
            };
            prop_assert_eq!(key(&one) == key(&other), one == other);
        }

        #[test]
        fn a_key_is_bounded_and_tells_nothing(typed in ".{8,500}") {
            let key = Key::new(AREA, &[&typed]);
            prop_assert_eq!(key.hex().len(), 32);
            let shown = format!("{key:?}");
            prop_assert!(!shown.contains(typed.as_str()));
        }
    }
}
