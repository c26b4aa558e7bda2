//! Product keys, validated and hidden from output.

use crate::Error;
use std::fmt;

const LENGTH: usize = 25;
const GROUP: usize = 5;

/// Product key of 25 characters A-Z and 0-9.
///
/// Redeem keys use all letters, so none is rejected. Keys are valuable: there is no `Display`, and `Debug` shows the first
/// group only. [`as_str`](Self::as_str) and [`dashed`](Self::dashed) return the whole key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProductKey([u8; LENGTH]);

impl ProductKey {
    /// Parses a key in any letter case, with or without dashes and white space.
    ///
    /// # Errors
    /// Returns [`Error::InvalidKey`] unless the text has exactly 25 ASCII letters and digits.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut key = [0; LENGTH];
        let mut length = 0;
        for character in text.chars().filter(|&c| c != '-' && !c.is_whitespace()) {
            if !character.is_ascii_alphanumeric() || length == LENGTH {
                return Err(Error::InvalidKey);
            }
            key[length] = character.to_ascii_uppercase() as u8;
            length += 1;
        }
        if length == LENGTH { Ok(Self(key)) } else { Err(Error::InvalidKey) }
    }

    /// Returns the 25 characters without dashes.
    pub fn as_str(&self) -> &str {
        // All bytes are ASCII, so the default is never used.
        str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Returns the key as five groups of five characters with dashes between them.
    pub fn dashed(&self) -> String {
        let mut text = String::with_capacity(LENGTH + LENGTH / GROUP - 1);
        for (place, &byte) in self.0.iter().enumerate() {
            if place > 0 && place % GROUP == 0 {
                text.push('-');
            }
            text.push(char::from(byte));
        }
        text
    }
}

impl fmt::Debug for ProductKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProductKey({}***)", &self.as_str()[..GROUP])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_are_parsed_in_any_notation() {
        for written in [
            "6NRGDKHFCFY4TF7PRWFDYBF3H",
            "6NRGD-KHFCF-Y4TF7-PRWFD-YBF3H",
            " 6nrgd khfcf\ty4tf7-prwfd--ybf3h\r\n",
        ] {
            let key = ProductKey::parse(written).unwrap();
            assert_eq!(key.as_str(), "6NRGDKHFCFY4TF7PRWFDYBF3H");
            assert_eq!(key.dashed(), "6NRGD-KHFCF-Y4TF7-PRWFD-YBF3H");
        }
    }

    #[test]
    fn rejects_invalid_keys() {
        for text in [
            "",
            "-----",
            "6NRGDKHFCFY4TF7PRWFDYBF3",
            "6NRGDKHFCFY4TF7PRWFDYBF3HH",
            "6NRGD_KHFCF_Y4TF7_PRWFD_YBF3H",
        ] {
            assert_eq!(ProductKey::parse(text), Err(Error::InvalidKey), "{text}");
        }
        // Upper case of ß is two letters, and full-width digits are digits elsewhere: neither is ASCII.
        assert!(ProductKey::parse("ßNRGDKHFCFY4TF7PRWFDYBF3H").is_err());
        assert!(ProductKey::parse("６NRGDKHFCFY4TF7PRWFDYBF3H").is_err());
    }

    #[test]
    fn debug_output_shows_one_group() {
        let key = ProductKey::parse("6NRGDKHFCFY4TF7PRWFDYBF3H").unwrap();
        assert_eq!(format!("{key:?}"), "ProductKey(6NRGD***)");
    }

    proptest! {
        #[test]
        fn formatted_keys_parse_to_the_same_key(text in "[A-Za-z0-9]{25}") {
            let key = ProductKey::parse(&text).unwrap();
            prop_assert_eq!(key.as_str(), text.to_uppercase());
            prop_assert_eq!(ProductKey::parse(key.as_str()), Ok(key));
            prop_assert_eq!(ProductKey::parse(&key.dashed()), Ok(key));
            prop_assert_eq!(key.dashed().len(), 29);
        }

        #[test]
        fn parser_never_panics(text in any::<String>()) {
            if let Ok(key) = ProductKey::parse(&text) {
                prop_assert_eq!(key.as_str().len(), 25);
            }
        }
    }
}
