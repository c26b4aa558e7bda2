//! Reading of requests. An input that cannot be read is a problem that names the field.

mod json;
mod parts;
mod path;
mod query;
mod unread;

pub(crate) use json::{BODY_MAX, BodyMax, Creation, Json};
pub(crate) use parts::{Anonymous, Audited, Bearer, IDEMPOTENCY_KEY, IfMatch};
pub(crate) use path::Path;
pub(crate) use query::{Paged, Query};
pub(crate) use unread::take_in;

use parts::origin;
use serde_path_to_error::Path as FieldPath;
use steadfast_domain::Invalid;

/// Maximum number of characters of a field's name that an answer repeats.
const NAME_MAX: usize = 64;

/// Maximum number of characters of a reason. serde quotes names and values in full, however long they are.
const REASON_MAX: usize = 256;

/// Returns the error of an input that serde could not read. `whole` is the name of the whole input.
fn refused(path: &FieldPath, error: &impl std::fmt::Display, whole: &'static str) -> Invalid {
    let message = error.to_string();
    let field = field_of(path).or_else(|| quoted_field(&message)).unwrap_or_else(|| whole.to_owned());
    Invalid::field(cut(&field), reason(&message))
}

fn field_of(path: &FieldPath) -> Option<String> {
    let text = path.to_string();
    // An untracked part of the path is a question mark.
    (path.iter().next().is_some() && !text.contains('?')).then_some(text)
}

/// Returns the name of a missing or repeated field, which serde has only in its message: "missing field `keys`".
fn quoted_field(message: &str) -> Option<String> {
    let rest =
        message.strip_prefix("missing field `").or_else(|| message.strip_prefix("duplicate field `"))?;
    rest.split_once('`').map(|(field, _)| field.to_owned())
}

fn cut(name: &str) -> String {
    name.chars().take(NAME_MAX).collect()
}

/// Cuts a library's message to the length that an answer repeats.
fn reason(message: &str) -> String {
    match message.char_indices().nth(REASON_MAX) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests;
