//! Parsing of pasted keys, with any line ending, dash, space or case.

use crate::Invalid;
use std::collections::HashSet;
use std::fmt;

/// Maximum number of distinct keys in a request.
pub const MAX_KEYS: usize = 50;

/// Number of letters and digits in a key.
const LENGTH: usize = 25;

/// Maximum number of lines that an error lists individually.
const NAMED_LINES: usize = 10;

/// Name of the field that holds the keys.
const FIELD: &str = "keys";

/// A product key: 25 upper-case letters and digits. `Debug` shows only the first five.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProductKey([u8; LENGTH]);

impl ProductKey {
    /// Parses a key, ignoring case, dashes and spaces. Returns `None` if it does not have 25 letters and digits.
    pub fn parse(text: &str) -> Option<Self> {
        let bare: Vec<u8> =
            text.chars().filter(|c| !is_filler(*c)).map(to_key_byte).collect::<Option<_>>()?;
        Some(Self(bare.try_into().ok()?))
    }

    /// Returns the 25 characters without dashes.
    pub fn as_str(&self) -> &str {
        // Never fails: `parse` accepts only ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Returns the key as five groups of five, separated by dashes.
    pub fn dashed(&self) -> String {
        let text = self.as_str();
        [0, 5, 10, 15, 20].map(|at| &text[at..at + 5]).join("-")
    }
}

impl fmt::Debug for ProductKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProductKey({}***)", &self.as_str()[..5])
    }
}

/// A pasted line without a key. `Debug` shows the length instead of the text, which is most often a mistyped key.
#[derive(Clone, PartialEq, Eq)]
pub struct RejectedLine {
    /// Number of the line, from 1.
    pub line: usize,
    /// Text of the line, truncated to 40 characters.
    pub text: String,
}

impl fmt::Debug for RejectedLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RejectedLine({}, {} characters)", self.line, self.text.chars().count())
    }
}

/// The keys of a pasted text: 1 to [`MAX_KEYS`] distinct keys, in the order of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pasted {
    keys: Vec<ProductKey>,
    rejected: Vec<RejectedLine>,
}

impl Pasted {
    /// Parses keys separated by commas, semicolons, tabs, spaces or any line ending, including the literal escape
    /// sequences `\r\n`, `\n` and `\r` that some tools produce. Repeated keys count once. Lines without a key are
    /// returned by [`Pasted::rejected`].
    ///
    /// # Errors
    /// Returns [`Invalid`] naming `keys` and up to ten lines if the text has no key ("No keys provided"), more than 50
    /// keys ("Maximum 50 keys per request"), more than 50 lines without a key, or a NUL character.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.contains('\0') {
            return Err(Invalid::field(FIELD, "must not contain NUL characters"));
        }
        let text =
            text.replace("\\r\\n", "\n").replace("\\n", "\n").replace("\\r", "\n").replace("\r\n", "\n");
        let (mut keys, mut rejected, mut surplus) = (Vec::new(), Vec::new(), Vec::new());
        let mut seen = HashSet::new();
        for (index, line) in text.split(is_line_end).enumerate() {
            for entry in line.split([',', ';', '\t']).map(str::trim).filter(|entry| has_content(entry)) {
                let Some(found) = keys_of(entry) else {
                    rejected.push(RejectedLine { line: index + 1, text: entry.chars().take(40).collect() });
                    continue;
                };
                let fresh = found.into_iter().filter(|key| seen.insert(*key));
                fresh.for_each(
                    |key| if keys.len() < MAX_KEYS { keys.push(key) } else { surplus.push(index + 1) },
                );
            }
        }
        Self { keys, rejected }.within_limits(surplus)
    }

    /// Checks the limits. `surplus` has the line number of each key beyond [`MAX_KEYS`].
    fn within_limits(self, surplus: Vec<usize>) -> Result<Self, Invalid> {
        if !surplus.is_empty() {
            return Err(too_many(surplus));
        }
        if self.keys.is_empty() {
            return Err(self.no_keys());
        }
        if self.rejected.len() > MAX_KEYS {
            return Err(self.named_lines(Invalid::field(FIELD, "too many lines without a product key")));
        }
        Ok(self)
    }

    fn no_keys(&self) -> Invalid {
        let allowed = "one key of 25 letters and digits per line, with or without dashes";
        self.named_lines(Invalid::field(FIELD, allowed)).headline("No keys provided")
    }

    fn named_lines(&self, invalid: Invalid) -> Invalid {
        let named = self.rejected.iter().take(NAMED_LINES).fold(invalid, |invalid, rejected| {
            invalid.and(FIELD, format!("line {} is not a product key: {}", rejected.line, rejected.text))
        });
        let rest = self.rejected.iter().skip(NAMED_LINES).map(|rejected| rejected.line);
        and_more(named, rest.collect())
    }

    /// Returns the distinct keys in the order of the text.
    pub fn keys(&self) -> &[ProductKey] {
        &self.keys
    }

    /// Returns the lines without a key in the order of the text, at most [`MAX_KEYS`].
    pub fn rejected(&self) -> &[RejectedLine] {
        &self.rejected
    }
}

fn too_many(mut surplus: Vec<usize>) -> Invalid {
    let count = surplus.len();
    surplus.dedup();
    let first = surplus.first().copied().unwrap_or_default();
    let message = format!("line {first} has key number {}; {count} too many", MAX_KEYS + 1);
    let invalid = Invalid::field(FIELD, message).headline(format!("Maximum {MAX_KEYS} keys per request"));
    let named = surplus.iter().take(NAMED_LINES).skip(1).fold(invalid, |invalid, line| {
        invalid.and(FIELD, format!("line {line} has keys beyond the first {MAX_KEYS}"))
    });
    and_more(named, surplus.split_off(NAMED_LINES.min(surplus.len())))
}

/// Adds the number of lines that are not listed individually. `rest` is sorted and may repeat lines.
fn and_more(invalid: Invalid, mut rest: Vec<usize>) -> Invalid {
    rest.dedup();
    match rest.len() {
        0 => invalid,
        1 => invalid.and(FIELD, "and 1 more line"),
        lines => invalid.and(FIELD, format!("and {lines} more lines")),
    }
}

/// Returns the keys of an entry, which is one key or several separated by spaces.
fn keys_of(entry: &str) -> Option<Vec<ProductKey>> {
    if let Some(key) = ProductKey::parse(entry) {
        return Some(vec![key]);
    }
    entry.split_whitespace().map(ProductKey::parse).collect()
}

fn to_key_byte(c: char) -> Option<u8> {
    c.is_ascii_alphanumeric().then(|| c.to_ascii_uppercase() as u8)
}

fn is_line_end(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{0B}' | '\u{0C}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Returns true for dashes, spaces and the invisible characters that word processors insert.
fn is_filler(c: char) -> bool {
    let dash = matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{00AD}' | '\u{FE63}' | '\u{FF0D}');
    dash || c.is_whitespace() || matches!(c, '\u{200B}'..='\u{200D}' | '\u{2060}' | '\u{FEFF}')
}

fn has_content(entry: &str) -> bool {
    !entry.chars().all(is_filler)
}

#[cfg(test)]
mod tests;
