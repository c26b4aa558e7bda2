//! Lines of JSON with a maximum size.

use crate::fields::{BoundedText, ELLIPSIS, Fields, TEXT_MAX, chain};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;
use std::error::Error;
use std::fmt::{self, Write as _};
use tracing::Event;
use tracing::field::{Field, Visit};

/// Maximum length of a line in bytes, including its line end.
pub(crate) const LINE_MAX: usize = 64 * 1024;

/// End of a line with omitted fields.
const TRUNCATED_END: &[u8] = b",\"truncated\":true}\n";

/// Minimum space for the value of a field: enough for any number and for the beginning of a text.
const VALUE_MIN: usize = 64;

/// Name of the message among the fields of an event.
const MESSAGE: &str = "message";

/// Names that a field cannot take.
const FIXED: [&str; 5] = ["timestamp", "level", "logger", MESSAGE, "truncated"];

/// A line that is being written: opened with the fields of every line, then given others, then finished. It is reused
/// for the next line, with its buffer.
#[derive(Default)]
pub(crate) struct Line {
    bytes: Vec<u8>,
    written: Vec<Cow<'static, str>>,
    truncated: bool,
}

impl Line {
    /// Begins a line about `event`, with its time, level, target, message and fields.
    pub(crate) fn open(&mut self, at: DateTime<Utc>, event: &Event<'_>) {
        self.bytes.clear();
        self.written.clear();
        self.truncated = false;
        self.bytes.push(b'{');
        let about = event.metadata();
        self.text("timestamp", &at.to_rfc3339_opts(SecondsFormat::Millis, true));
        self.text("level", about.level().as_str());
        self.text("logger", about.target());
        let mut message = Message { line: self, is_written: false };
        event.record(&mut message);
        if !message.is_written {
            self.text(MESSAGE, "");
        }
        event.record(&mut Others(self));
    }

    /// Adds the fields of a span.
    pub(crate) fn span(&mut self, fields: &Fields) {
        for (name, value) in fields.all() {
            self.field(name, |line, name| match value {
                Value::String(text) => line.text(name, text),
                number_or_bool => line.write(name, |bytes, _| encode(bytes, number_or_bool)),
            });
        }
    }

    /// Returns the whole line, with its line end.
    pub(crate) fn finish(&mut self) -> &[u8] {
        self.bytes.extend_from_slice(if self.truncated { TRUNCATED_END } else { b"}\n" });
        &self.bytes
    }

    /// Writes a field, unless the line has one of its name.
    fn field(&mut self, name: &'static str, write: impl FnOnce(&mut Self, &str)) {
        let name = if FIXED.contains(&name) { Cow::from(format!("field_{name}")) } else { Cow::from(name) };
        if !self.written.contains(&name) {
            write(self, &name);
            self.written.push(name);
        }
    }

    fn text(&mut self, name: &str, text: &str) {
        self.write(name, |bytes, room| encode_text(bytes, text, room.min(TEXT_MAX)));
    }

    fn formatted(&mut self, name: &str, value: fmt::Arguments<'_>) {
        let mut text = BoundedText::default();
        // A value whose formatting fails is written as far as it came: a log line is no place to panic.
        let _ = text.write_fmt(value);
        self.text(name, &text.finish());
    }

    fn error(&mut self, name: &str, error: &(dyn Error + 'static)) {
        let mut text = BoundedText::default();
        chain(&mut text, error);
        self.text(name, &text.finish());
    }

    fn write(&mut self, name: &str, value: impl FnOnce(&mut Vec<u8>, usize)) {
        let before = self.bytes.len();
        if before > 1 {
            self.bytes.push(b',');
        }
        encode_str(&mut self.bytes, name);
        self.bytes.push(b':');
        let room = (LINE_MAX - TRUNCATED_END.len()).saturating_sub(self.bytes.len());
        if room < VALUE_MIN {
            self.bytes.truncate(before);
            self.truncated = true;
            return;
        }
        value(&mut self.bytes, room);
    }
}

/// Writes the message of an event. Everything else about it goes to [`Others`].
struct Message<'a> {
    line: &'a mut Line,
    is_written: bool,
}

impl Message<'_> {
    fn write(&mut self, field: &Field, write: impl FnOnce(&mut Line)) {
        if field.name() == MESSAGE && !self.is_written {
            write(self.line);
            self.is_written = true;
        }
    }
}

impl Visit for Message<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.write(field, |line| line.text(MESSAGE, value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.write(field, |line| line.error(MESSAGE, value));
    }

    // Numbers come here too: a message is always a text.
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.write(field, |line| line.formatted(MESSAGE, format_args!("{value:?}")));
    }
}

/// Writes the fields of an event, except for its message.
struct Others<'a>(&'a mut Line);

impl Others<'_> {
    fn field(&mut self, field: &Field, write: impl FnOnce(&mut Line, &str)) {
        if field.name() != MESSAGE {
            self.0.field(field.name(), write);
        }
    }

    fn value<T: Serialize>(&mut self, field: &Field, value: T) {
        self.field(field, |line, name| line.write(name, |bytes, _| encode(bytes, &value)));
    }
}

impl Visit for Others<'_> {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.value(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.value(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.value(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() { self.value(field, value) } else { self.value(field, value.to_string()) }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.field(field, |line, name| line.text(name, value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.field(field, |line, name| line.error(name, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.field(field, |line, name| line.formatted(name, format_args!("{value:?}")));
    }
}

/// Appends `text` in at most `room` bytes, quotes and escapes included.
fn encode_text(bytes: &mut Vec<u8>, text: &str, room: usize) {
    let before = bytes.len();
    let may_fit = text.len() <= room;
    if may_fit {
        encode_str(bytes, text);
    }
    if !may_fit || bytes.len() - before > room {
        bytes.truncate(before);
        let beginning = prefix_within(text, room - "\"\"".len() - ELLIPSIS.len());
        encode_str(bytes, &format!("{beginning}{ELLIPSIS}"));
    }
}

/// Returns the longest prefix of `text` that has at most `room` bytes when escaped.
fn prefix_within(text: &str, room: usize) -> &str {
    let mut taken = 0;
    for (at, character) in text.char_indices() {
        taken += escaped_len(character);
        if taken > room {
            return &text[..at];
        }
    }
    text
}

fn escaped_len(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..'\u{20}' => 6,
        other => other.len_utf8(),
    }
}

/// Appends `text` as JSON. Most texts need no escapes, which one pass without branches finds out.
fn encode_str(bytes: &mut Vec<u8>, text: &str) {
    let is_escaped = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
    if text.bytes().fold(false, |any, byte| any | is_escaped(byte)) {
        return encode(bytes, text);
    }
    bytes.push(b'"');
    bytes.extend_from_slice(text.as_bytes());
    bytes.push(b'"');
}

/// Appends `value` as JSON, or `null` if it cannot be represented.
fn encode<T: Serialize + ?Sized>(bytes: &mut Vec<u8>, value: &T) {
    let before = bytes.len();
    if serde_json::to_writer(&mut *bytes, value).is_err() {
        bytes.truncate(before);
        bytes.extend_from_slice(b"null");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn truncated_texts_are_json_and_fit(text in any::<String>(), room in VALUE_MIN..400) {
            let mut bytes = Vec::new();
            encode_text(&mut bytes, &text, room);
            prop_assert!(bytes.len() <= room);
            let read: String = serde_json::from_slice(&bytes).unwrap();
            match read.strip_suffix(ELLIPSIS) {
                Some(beginning) if read != text => prop_assert!(text.starts_with(beginning)),
                _ => prop_assert_eq!(read, text),
            }
        }

        #[test]
        fn lengths_of_escapes_are_exact(character in any::<char>()) {
            let written = serde_json::to_string(&character.to_string()).unwrap();
            prop_assert_eq!(escaped_len(character), written.len() - 2);
        }
    }
}
