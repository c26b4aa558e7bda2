//! Lines of JSON with a maximum size.

use crate::fields::{ELLIPSIS, TEXT_MAX};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;

/// Maximum length of a line in bytes, including its line end.
pub(crate) const LINE_MAX: usize = 64 * 1024;

/// End of a line with omitted fields.
const TRUNCATED_END: &[u8] = b",\"truncated\":true}\n";

/// Minimum space for the value of a field: enough for any number and for the beginning of a text.
const VALUE_MIN: usize = 64;

/// Reserved names.
const FIXED: [&str; 5] = ["timestamp", "level", "logger", "message", "truncated"];

/// Builder of a line.
pub(crate) struct Line {
    bytes: Vec<u8>,
    written: Vec<Cow<'static, str>>,
    truncated: bool,
}

impl Line {
    /// Starts a line with the fields that every line has.
    pub(crate) fn open(at: DateTime<Utc>, level: &str, logger: &str, message: Option<&Value>) -> Self {
        let mut line = Self { bytes: Vec::with_capacity(512), written: Vec::new(), truncated: false };
        line.bytes.push(b'{');
        line.write("timestamp", &Value::from(at.to_rfc3339_opts(SecondsFormat::Millis, true)));
        line.write("level", &Value::from(level));
        line.write("logger", &Value::from(logger));
        match message {
            Some(text @ Value::String(_)) => line.write("message", text),
            Some(other) => line.write("message", &Value::from(other.to_string())),
            None => line.write("message", &Value::from("")),
        }
        line
    }

    /// Adds a field unless the line has one of this name.
    pub(crate) fn field(&mut self, name: &'static str, value: &Value) {
        let name = if FIXED.contains(&name) { Cow::from(format!("field_{name}")) } else { Cow::from(name) };
        if self.written.contains(&name) {
            return;
        }
        self.write(&name, value);
        self.written.push(name);
    }

    /// Returns the bytes of the line with its line end.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        if self.truncated {
            self.bytes.extend_from_slice(TRUNCATED_END);
        } else {
            self.bytes.extend_from_slice(b"}\n");
        }
        self.bytes
    }

    fn write(&mut self, name: &str, value: &Value) {
        let before = self.bytes.len();
        if before > 1 {
            self.bytes.push(b',');
        }
        encode(&mut self.bytes, name);
        self.bytes.push(b':');
        let room = (LINE_MAX - TRUNCATED_END.len()).saturating_sub(self.bytes.len());
        if room < VALUE_MIN {
            self.bytes.truncate(before);
            self.truncated = true;
            return;
        }
        match value {
            Value::String(text) => encode_text(&mut self.bytes, text, room.min(TEXT_MAX)),
            number_or_bool => encode(&mut self.bytes, number_or_bool),
        }
    }
}

/// Appends at most `room` bytes of `text`, including quotes and escapes.
fn encode_text(bytes: &mut Vec<u8>, text: &str, room: usize) {
    let before = bytes.len();
    encode(bytes, text);
    if bytes.len() - before > room {
        bytes.truncate(before);
        let beginning = prefix_within(text, room - "\"\"".len() - ELLIPSIS.len());
        encode(bytes, &format!("{beginning}{ELLIPSIS}"));
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

    #[test]
    fn lines_with_too_many_fields_are_marked_as_truncated() {
        let mut line = Line::open(Utc::now(), "INFO", "here", None);
        let long = Value::from("\u{1}".repeat(TEXT_MAX));
        for name in ["a", "b", "c", "d", "e", "f", "g"] {
            line.field(name, &long);
        }
        let bytes = line.finish();
        assert!(bytes.len() <= LINE_MAX, "{}", bytes.len());
        let read: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(read["truncated"], true);
        assert!(read["a"].as_str().unwrap().ends_with('…'));
        assert!(read.get("g").is_none());
    }
}
