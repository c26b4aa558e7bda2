//! Text from outside: trimmed, bounded, and free of what PostgreSQL cannot store.

use crate::Invalid;
use std::ops::RangeInclusive;

/// `value` without outer white space, or why it is refused: too short, too long (in characters), or with a control
/// character. PostgreSQL has no NUL in text, and the others are never meant.
///
/// # Errors
/// [`Invalid`] naming `field`.
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
    fn text_is_trimmed_and_counted_in_characters() {
        assert_eq!(plain("q", "  añö ", 3..=3).as_deref(), Ok("añö"));
        assert!(plain("q", "   ", 1..=3).is_err());
        assert!(plain("q", "abcd", 1..=3).is_err());
    }

    #[test]
    fn control_characters_are_refused_by_name_of_the_field() {
        for bad in ["a\0b", "a\nb", "a\u{85}b", "a\u{7f}"] {
            assert_eq!(plain("product", bad, 1..=9).expect_err("control").fields()[0].field, "product");
        }
    }
}
