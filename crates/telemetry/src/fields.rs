//! The fields of one span, taken from the facade as JSON values of bounded size.

use serde_json::Value;
use std::error::Error;
use std::fmt::{self, Write};
use tracing::field::{Field, Visit};

/// A text is kept up to here, in bytes: a span may live as long as the process, its fields with it.
pub(crate) const TEXT_MAX: usize = 16 * 1024;

/// Maximum number of sources of an error.
const SOURCES_MAX: usize = 16;

/// Marks truncated texts.
pub(crate) const ELLIPSIS: &str = "…";

/// Names and values in the order of recording, without duplicate names.
#[derive(Debug, Default)]
pub(crate) struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    /// Returns all fields.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }

    fn set(&mut self, field: &Field, value: Value) {
        match self.0.iter_mut().find(|(name, _)| *name == field.name()) {
            Some((_, old)) => *old = value,
            None => self.0.push((field.name(), value)),
        }
    }
}

impl Visit for Fields {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, Value::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, Value::from(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        let number = if value.is_finite() { Value::from(value) } else { Value::from(value.to_string()) };
        self.set(field, number);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let mut text = BoundedText::default();
        let _ = text.write_str(value);
        self.set(field, Value::from(text.finish()));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut text = BoundedText::default();
        chain(&mut text, value);
        self.set(field, Value::from(text.finish()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, text(format_args!("{value:?}")));
    }
}

fn text(value: fmt::Arguments<'_>) -> Value {
    let mut kept = BoundedText::default();
    // If formatting fails, the beginning is used, because logging must not panic.
    let _ = kept.write_fmt(value);
    Value::from(kept.finish())
}

/// Writes the error's text and those of its sources. A source that its parent has already quoted is not written twice.
pub(crate) fn chain(kept: &mut BoundedText, error: &(dyn Error + 'static)) {
    let mut told = error.to_string();
    let _ = kept.write_str(&told);
    let mut source = error.source();
    for _ in 0..SOURCES_MAX {
        let Some(cause) = source else { break };
        let text = cause.to_string();
        if !told.ends_with(&text) {
            let _ = write!(kept, ": {text}");
        }
        told = text;
        source = cause.source();
    }
}

/// Text that ignores everything beyond its maximum length.
///
/// Writing never fails, because formatters that unwrap the result would panic.
#[derive(Default)]
pub(crate) struct BoundedText {
    kept: String,
    cut: bool,
}

impl BoundedText {
    /// Returns the text and empties it.
    pub(crate) fn finish(&mut self) -> String {
        if std::mem::take(&mut self.cut) {
            self.kept.push_str(ELLIPSIS);
        }
        std::mem::take(&mut self.kept)
    }
}

impl Write for BoundedText {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        if self.cut {
            return Ok(());
        }
        let room = TEXT_MAX - self.kept.len();
        self.cut = more.len() > room;
        self.kept.push_str(beginning(more, room));
        Ok(())
    }
}

/// Returns the longest prefix of `text` with at most `bytes` bytes that ends between characters.
fn beginning(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Told(&'static str, #[source] Option<Box<Told>>);

    fn chained(error: &Told) -> String {
        let mut text = BoundedText::default();
        chain(&mut text, error);
        text.finish()
    }

    #[test]
    fn errors_include_their_sources() {
        let error = Told(
            "cannot answer",
            Some(Box::new(Told("no connection", Some(Box::new(Told("refused", None)))))),
        );
        assert_eq!(chained(&error), "cannot answer: no connection: refused");
    }

    #[test]
    fn quoted_sources_are_omitted() {
        let error = Told("cannot answer: refused", Some(Box::new(Told("refused", None))));
        assert_eq!(chained(&error), "cannot answer: refused");
    }

    #[test]
    fn long_texts_are_truncated_between_characters() {
        let long = "é".repeat(TEXT_MAX);
        let Value::String(kept) = text(format_args!("a{long}")) else { unreachable!() };
        assert!(kept.ends_with('…'));
        assert!(kept.len() <= TEXT_MAX + ELLIPSIS.len());
        assert!(kept.starts_with("aéé"));
    }
}
