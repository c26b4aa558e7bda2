//! Validation of text input.

use crate::Invalid;
use std::ops::RangeInclusive;

/// Trims `value` and checks it. `length` is in characters.
///
/// # Errors
/// Returns [`Invalid`] naming `field` if the trimmed text is too short or too long, or if `value` contains a control
/// character: PostgreSQL cannot store NUL, and other control characters are mistakes.
pub fn plain(field: &str, value: &str, length: RangeInclusive<usize>) -> Result<String, Invalid> {
    let value = value.trim();
    if value.chars().any(char::is_control) {
        return Err(Invalid::field(field, "must not contain control characters"));
    }
    let count = value.chars().count();
    if !length.contains(&count) {
        let (from, to) = length.into_inner();
        return Err(Invalid::field(field, format!("must have {from} to {to} characters, has {count}")));
    }
    Ok(value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trims_text_and_counts_characters() {
        assert_eq!(plain("q", "  añö ", 3..=3).as_deref(), Ok("añö"));
        assert!(plain("q", "   ", 1..=3).is_err());
        assert!(plain("q", "abcd", 1..=3).is_err());
    }

    #[test]
    fn rejects_control_characters() {
        for bad in ["a\0b", "a\nb", "a\u{85}b", "a\u{7f}"] {
            assert_eq!(plain("product", bad, 1..=9).expect_err("control").fields()[0].field, "product");
        }
    }
}
