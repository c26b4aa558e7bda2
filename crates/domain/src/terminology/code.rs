//! An ICD-10-CM code in its stored form: upper case, without dot.

use crate::Invalid;
use std::fmt;

/// Maximum number of characters that are accepted for a code, separators included.
const LENGTH_MAX: usize = 20;

/// Number of characters of the longest codes of ICD-10-CM.
pub const CODE_LENGTH_MAX: usize = 7;

/// A code such as `S72001A`: upper-case letters and digits, at most 20.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IcdCode(String);

impl IcdCode {
    /// The code in `text`, with or without dot or dash, in any case.
    ///
    /// # Errors
    /// [`Invalid`] naming `field`.
    pub fn parse(field: &str, text: &str) -> Result<Self, Invalid> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        if text.is_empty() || text.len() > LENGTH_MAX || !text.chars().all(allowed) {
            return Err(Invalid::field(
                field,
                format!("must be 1 to {LENGTH_MAX} letters, digits, dots or dashes"),
            ));
        }
        let bare: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
        if bare.is_empty() {
            return Err(Invalid::field(field, "must have a letter or digit"));
        }
        Ok(Self(bare.to_ascii_uppercase()))
    }

    /// Reads a search text as the beginning of a code. Returns `None` if the text does not have the form of one.
    ///
    /// Case, dots, dashes and spaces do not matter: `E119`, `e11.9`, `E11 9` and `e 11.9` are the same code. The form is
    /// a letter, a digit, a digit or one of `A` and `B`, and up to four letters or digits. A code may also begin with a
    /// letter and an `A`, as `QA0` does, if the third character is a digit. A single letter must have its dot: `H.`.
    ///
    /// The form does not tell whether there is such a code: `B12` and `T11` have it and begin none.
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

    /// The stored form.
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dots_dashes_and_case_do_not_matter() {
        for text in ["S72.001A", "s72001a", "S72-001A"] {
            assert_eq!(IcdCode::parse("code", text).expect("a code").as_str(), "S72001A");
        }
    }

    #[test]
    fn what_is_no_code_is_refused_by_name() {
        for text in ["", "...", "S72 001", "S72\0", "é12", "S72%", &"A".repeat(21)] {
            assert_eq!(
                IcdCode::parse("code", text).expect_err("no code").fields()[0].field,
                "code",
                "{text:?}"
            );
        }
    }

    #[test]
    fn search_text_in_code_form_is_read_as_code() {
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
    fn words_are_not_read_as_code() {
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
        fn a_code_is_its_own_stored_form(text in "\\PC{0,24}") {
            if let Ok(code) = IcdCode::parse("code", &text) {
                prop_assert_eq!(IcdCode::parse("code", code.as_str()), Ok(code.clone()));
                prop_assert!(code.as_str().chars().all(|c| c.is_ascii_digit() || c.is_ascii_uppercase()));
            }
        }
    }
}
