//! ICD-10-CM codes, their relatives, and batches of codes.

use crate::Invalid;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::ops::RangeInclusive;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Maximum number of characters that are accepted for a code, separators included.
const LENGTH_MAX: usize = 20;

/// Number of characters of the longest codes of ICD-10-CM.
pub const CODE_LENGTH_MAX: usize = 7;

/// A code such as `S72001A`: upper-case letters and digits, at most 20.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IcdCode(String);

impl IcdCode {
    /// Parses a code in any case, with or without dots and dashes.
    ///
    /// # Errors
    /// Returns [`Invalid`] naming `field` if `text` is not a code.
    pub fn parse(field: &str, text: &str) -> Result<Self, Invalid> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        if text.is_empty() || text.len() > LENGTH_MAX || !text.chars().all(allowed) {
            return Err(Invalid::field(
                field,
                format!("must be 1 to {LENGTH_MAX} letters, digits, dots or dashes"),
            ));
        }
        // One allocation of the right size: each row of a look-up has a code.
        let mut code = String::with_capacity(text.len());
        code.extend(text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()));
        if code.is_empty() {
            return Err(Invalid::field(field, "must have a letter or digit"));
        }
        Ok(Self(code))
    }

    /// Parses a search text as the beginning of a code. Returns `None` if it does not have the form of one.
    ///
    /// Case, dots, dashes and spaces are ignored: `E119`, `e11.9`, `E11 9` and `e 11.9` are the same code. The form is
    /// a letter, a digit, a digit or one of `A` and `B`, and up to four letters or digits. A code may also begin with a
    /// letter and an `A`, such as `QA0`, if the third character is a digit. A single letter needs its dot: `H.`.
    ///
    /// The code need not exist: `B12` and `T11` have the form, but no code begins with them.
    pub fn beginning(text: &str) -> Option<Self> {
        let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let code = Self::parse("query", &compact).ok()?;
        let has_form = match code.0.as_bytes() {
            [letter] => letter.is_ascii_alphabetic() && compact.contains('.'),
            [letter, second, rest @ ..] => {
                letter.is_ascii_alphabetic()
                    && matches!(second, b'0'..=b'9' | b'A')
                    && rest.first().is_none_or(|third| is_third(*second, *third))
            }
            [] => false,
        };
        (has_form && code.0.len() <= CODE_LENGTH_MAX).then_some(code)
    }

    /// Returns the stored form: upper case, without separators.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_third(second: u8, third: u8) -> bool {
    third.is_ascii_digit() || (second.is_ascii_digit() && matches!(third, b'A' | b'B'))
}

impl fmt::Debug for IcdCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for IcdCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for IcdCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for IcdCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse("code", &String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl ToSchema for IcdCode {}

impl PartialSchema for IcdCode {
    fn schema() -> RefOr<Schema> {
        let code = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[A-Z0-9]{1,20}$"));
        code.description(Some("An ICD-10-CM code in upper case, without dot.")).into()
    }
}

/// Maximum number of children that a lookup returns. All of them are counted.
pub const CHILDREN_SHOWN: i64 = 20;

/// Maximum number of siblings that a lookup returns. All of them are counted.
pub const SIBLINGS_SHOWN: i64 = 10;

/// A code with its term and properties.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Concept {
    /// The code, without dot.
    pub code: IcdCode,
    /// Meaning of the code.
    pub term: String,
    /// Number and title of the chapter.
    pub chapter: String,
    /// Parent of the code; null for a three-character category.
    pub parent_code: Option<IcdCode>,
    /// True if the current release has the code.
    pub active: bool,
    /// True if the code is valid for billing, which means that it has no children.
    pub billable: bool,
}

/// A relative of a code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = RelatedCode)]
pub struct Relative {
    /// The code, without dot.
    pub code: IcdCode,
    /// Meaning of the code.
    pub term: String,
}

/// Relatives of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relatives {
    /// The first relatives, in code order.
    pub shown: Vec<Relative>,
    /// Number of all relatives of this kind.
    pub total: i64,
}

/// A code with its relatives in the tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeWithRelatives {
    /// The code itself.
    pub concept: Concept,
    /// Ancestors, from the category down to the parent.
    pub parents: Vec<Relative>,
    /// Children of the code.
    pub children: Relatives,
    /// Other children of the parent.
    pub siblings: Relatives,
}

/// Allowed number of codes in a request.
const BATCH: RangeInclusive<usize> = 1..=100;

/// Codes of a request in their order, each as it was written and as it was parsed. An invalid code does not fail the
/// others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch(Vec<(String, Result<IcdCode, Invalid>)>);

impl Batch {
    /// Parses codes. Repeated texts count once. Invalid codes are returned by [`Batch::into_entries`].
    ///
    /// # Errors
    /// Returns [`Invalid`] naming `codes` if there are no texts or more than 100.
    pub fn new(texts: Vec<String>) -> Result<Self, Invalid> {
        if !BATCH.contains(&texts.len()) {
            let message =
                format!("must have {} to {} codes, has {}", BATCH.start(), BATCH.end(), texts.len());
            return Err(Invalid::field("codes", message));
        }
        let mut codes: Vec<(String, Result<IcdCode, Invalid>)> = Vec::with_capacity(texts.len());
        for text in texts {
            // A linear search is as fast as a set for at most 100 entries.
            if codes.iter().all(|(known, _)| *known != text) {
                let code = IcdCode::parse("codes", &text);
                codes.push((text, code));
            }
        }
        Ok(Self(codes))
    }

    /// Returns the valid codes, each once.
    pub fn wanted(&self) -> Vec<IcdCode> {
        let mut wanted: Vec<IcdCode> = self.0.iter().filter_map(|(_, code)| code.clone().ok()).collect();
        wanted.sort_unstable();
        wanted.dedup();
        wanted
    }

    /// Returns each text with its code or its error.
    pub fn into_entries(self) -> Vec<(String, Result<IcdCode, Invalid>)> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ignores_dots_dashes_case() {
        for text in ["S72.001A", "s72001a", "S72-001A"] {
            assert_eq!(IcdCode::parse("code", text).expect("a code").as_str(), "S72001A");
        }
    }

    #[test]
    fn rejects_invalid_codes() {
        for text in ["", "...", "S72 001", "S72\0", "é12", "S72%", &"A".repeat(21)] {
            assert_eq!(
                IcdCode::parse("code", text).expect_err("no code").fields()[0].field,
                "code",
                "{text:?}"
            );
        }
    }

    #[test]
    fn parses_search_text_in_code_form() {
        for (text, code) in [
            ("E11", "E11"),
            ("e11.9", "E119"),
            ("E119", "E119"),
            ("E11 9", "E119"),
            ("e 11.9", "E119"),
            ("e 1 1 . 9", "E119"),
            ("s72 001", "S72001"),
            ("s72.001a", "S72001A"),
            ("S72-001A", "S72001A"),
            ("s7", "S7"),
            ("H.", "H"),
            ("c4a", "C4A"),
            ("C7B.1", "C7B1"),
            ("Z3A.42", "Z3A42"),
            ("O9A", "O9A"),
            ("M1A.00X0", "M1A00X0"),
            ("QA", "QA"),
            ("qa0.01", "QA001"),
        ] {
            assert_eq!(IcdCode::beginning(text).expect(text).as_str(), code, "{text}");
        }
    }

    #[test]
    fn rejects_words_as_code() {
        for text in [
            "flu",
            "aids",
            "rabies",
            "cab",
            "it",
            "ab",
            "h",
            "H1N1",
            "g6pd",
            "A1c",
            "type 2",
            "2nd",
            "11.9",
            "E11.9 diabetes",
            "E11,9",
            "e11.9\u{661}",
            "S72001AB",
            ".",
            "",
        ] {
            assert_eq!(IcdCode::beginning(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn stored_form_round_trips(text in "\\PC{0,24}") {
            if let Ok(code) = IcdCode::parse("code", &text) {
                prop_assert_eq!(IcdCode::parse("code", code.as_str()), Ok(code.clone()));
                prop_assert!(code.as_str().chars().all(|c| c.is_ascii_digit() || c.is_ascii_uppercase()));
            }
        }
    }

    fn batch(texts: &[&str]) -> Result<Batch, Invalid> {
        Batch::new(texts.iter().map(|text| (*text).to_owned()).collect())
    }

    #[test]
    fn rejects_batches_without_codes_or_above_limit() {
        for count in [0, 101] {
            let invalid = batch(&vec!["E11"; count]).expect_err("refused");
            assert_eq!(invalid.fields()[0].field, "codes");
        }
        assert!(batch(&["E11"; 100]).is_ok());
    }

    #[test]
    fn batch_reports_invalid_codes_individually() {
        let batch = batch(&["E11.6", "?", "e116", "E11.6"]).expect("a batch");
        assert_eq!(batch.wanted().iter().map(IcdCode::as_str).collect::<Vec<_>>(), ["E116"]);
        let entries = batch.into_entries();
        let good: Vec<(&str, bool)> = entries.iter().map(|(text, code)| (&**text, code.is_ok())).collect();
        assert_eq!(good, [("E11.6", true), ("?", false), ("e116", true)]);
    }
}
