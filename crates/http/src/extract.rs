//! Reading requests: whatever cannot be read is a problem that names the field, never a status of a library's choice.

mod json;
mod path;
mod query;

pub(crate) use json::Json;
pub(crate) use path::Path;
pub(crate) use query::Query;

use serde_path_to_error::Path as FieldPath;
use steadfast_domain::Invalid;

/// The most characters of a field's name that an answer repeats.
const NAME_MAX: usize = 64;

/// The refusal of what serde could not read. `whole` is the name of the input as such.
fn refused(path: &FieldPath, error: &impl std::fmt::Display, whole: &'static str) -> Invalid {
    let message = error.to_string();
    let field = field_of(path).or_else(|| quoted_field(&message)).unwrap_or_else(|| whole.to_owned());
    Invalid::field(cut(&field), message)
}

fn field_of(path: &FieldPath) -> Option<String> {
    let text = path.to_string();
    // What could not be tracked shows as a question mark.
    (path.iter().next().is_some() && !text.contains('?')).then_some(text)
}

/// The field of a missing or repeated one: serde knows it only in its words, "missing field `keys`".
fn quoted_field(message: &str) -> Option<String> {
    let rest =
        message.strip_prefix("missing field `").or_else(|| message.strip_prefix("duplicate field `"))?;
    rest.split_once('`').map(|(field, _)| field.to_owned())
}

fn cut(name: &str) -> String {
    name.chars().take(NAME_MAX).collect()
}

#[cfg(test)]
mod tests;
