//! Versions of stored resources, by which a change based on an outdated read is detected.

use crate::Invalid;
use serde::Serialize;
use utoipa::ToSchema;

/// Number of changes of a resource, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(value_type = i32, minimum = 1)]
pub struct Version(i32);

impl Version {
    /// Version of a new resource.
    pub const FIRST: Self = Self(1);

    /// Wraps a stored number.
    pub const fn from_stored(number: i32) -> Self {
        Self(number)
    }

    /// Returns the entity tag of the version, such as `"3"`.
    pub fn tag(self) -> String {
        format!("\"{}\"", self.0)
    }
}

/// Versions that a change accepts: the header `If-Match`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Whatever version there is: `*`.
    Any,
    /// Only this version.
    Only(Version),
}

impl Expected {
    /// Parses the value of `If-Match`: an entity tag as it was received, or `*`.
    ///
    /// # Errors
    /// Returns [`Invalid`] naming `If-Match` if the text is neither.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        if text == "*" {
            return Ok(Self::Any);
        }
        let number = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let is_plain = |digits: &&str| digits.bytes().all(|byte| byte.is_ascii_digit());
        match number.filter(is_plain).and_then(|digits| digits.parse().ok()) {
            Some(number) => Ok(Self::Only(Version(number))),
            None => {
                Err(Invalid::field("If-Match", "must be an ETag as it was received, such as \"3\", or *"))
            }
        }
    }

    /// Returns the number of the version that the change accepts, that of `current` if it accepts any.
    pub fn or(self, current: Version) -> i32 {
        match self {
            Self::Any => current.0,
            Self::Only(expected) => expected.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_accepted_as_they_were_sent() {
        let version = Version::from_stored(42);
        let expected = Expected::parse(&version.tag()).expect("a tag");
        assert_eq!(expected, Expected::Only(version));
        assert_eq!(expected.or(Version::FIRST), 42);
        assert_eq!(Expected::parse(" * ").map(|any| any.or(Version::FIRST)), Ok(1));
    }

    #[test]
    fn other_texts_are_rejected() {
        for wrong in
            ["", "3", "\"3", "\"\"", "W/\"3\"", "\"-3\"", "\"+3\"", "\"3\", \"4\"", "\"99999999999\"", "**"]
        {
            assert!(Expected::parse(wrong).is_err(), "{wrong}");
        }
    }
}
