//! An ICD-10-CM code in its stored form: upper case, without dot.

use crate::Invalid;
use std::fmt;

/// Characters of the longest code that is accepted.
const LENGTH_MAX: usize = 20;

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

    /// The stored form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
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
