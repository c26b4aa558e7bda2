//! Connection strings of `name=value` pairs: `host=localhost user=app password='with spaces'`.

use super::{Assignment, Assignments};
use crate::error::UrlError;
use std::iter::Peekable;
use std::str::Chars;

/// Parses all pairs.
///
/// # Errors
/// Returns [`UrlError`] if `text` is malformed. The error repeats nothing of it.
pub(super) fn read(text: &str) -> Result<Assignments, UrlError> {
    if text.contains("://") && !text.contains(char::is_whitespace) {
        return Err(UrlError("the scheme is not supported: use postgres:// or postgresql://".to_owned()));
    }
    // As in libpq, so that programs can append pairs to override others.
    let mut assignments = Assignments { may_repeat: true, ..Assignments::default() };
    let mut characters = text.chars().peekable();
    loop {
        skip_blanks(&mut characters);
        if characters.peek().is_none() {
            return Ok(assignments);
        }
        let mut name = String::new();
        while let Some(character) = characters.next_if(|c| *c != '=' && !c.is_whitespace()) {
            name.push(character);
        }
        skip_blanks(&mut characters);
        if name.is_empty() || characters.next() != Some('=') {
            return Err(UrlError(
                "neither a postgres:// URL nor a list of name=value pairs: put values with spaces in single quotes"
                    .to_owned(),
            ));
        }
        skip_blanks(&mut characters);
        let value = read_value(&mut characters)?;
        assignments.named.push(Assignment { name, value });
    }
}

fn skip_blanks(characters: &mut Peekable<Chars<'_>>) {
    while characters.next_if(|character| character.is_whitespace()).is_some() {}
}

/// Reads up to the closing quote, or to the next blank if there are no quotes. A backslash escapes the next character.
fn read_value(characters: &mut Peekable<Chars<'_>>) -> Result<String, UrlError> {
    let is_quoted = characters.next_if_eq(&'\'').is_some();
    let mut value = String::new();
    loop {
        match characters.peek() {
            Some('\'') if is_quoted => {
                characters.next();
                return Ok(value);
            }
            Some(character) if !is_quoted && character.is_whitespace() => return Ok(value),
            None if is_quoted => return Err(UrlError("a value has no closing quote".to_owned())),
            None => return Ok(value),
            Some(_) => match characters.next() {
                Some('\\') => value.extend(characters.next()),
                other => value.extend(other),
            },
        }
    }
}
