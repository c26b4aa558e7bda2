//! Parsing of PIDKey.com's JSON. Numbers may be text and text numbers, members may be missing, null or unknown. A body that
//! is not an answer is always an error, and never an unknown key.

use crate::{Checked, Error, KeyStatus, ProductKey};
use chrono::{DateTime, FixedOffset, NaiveDateTime, Utc};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// Maximum length of a text in characters; longer texts are truncated.
const TEXT_CHARS: usize = 255;
/// Maximum length of the key type in characters.
const KEY_TYPE_CHARS: usize = 50;
/// Value of `remaining` for keys without a number of activations.
const NOT_APPLICABLE: i32 = -1;
/// 2^53, beyond which floating-point numbers are not exact.
const EXACT_FLOAT: f64 = 9_007_199_254_740_992.0;

/// Parsed response in the order of the request.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    /// One result per requested key.
    pub(crate) checked: Vec<Checked>,
    /// Number of requested keys that the response does not mention.
    pub(crate) missing: usize,
    /// Number of objects without a requested key.
    pub(crate) strangers: usize,
}

/// Parses the response for the keys `asked`: an array of objects, or one object with a `keyname`. The last of several
/// objects for a key counts.
///
/// # Errors
/// Returns [`Error::Body`] for anything else. This includes an array without any of the requested keys: services report
/// errors in this form, which must not make the keys unknown.
pub(crate) fn read(body: &[u8], asked: &[ProductKey]) -> Result<Answer, Error> {
    let objects = objects(body)?;
    let mut found: HashMap<ProductKey, Option<Checked>> = asked.iter().map(|&key| (key, None)).collect();
    let (mut named, mut strangers) = (0, 0);
    for object in &objects {
        let key = key_of(object);
        named += usize::from(key.is_some());
        match key.and_then(|key| found.get_mut(&key).map(|place| (key, place))) {
            Some((key, place)) => *place = Some(checked(key, object)),
            None => strangers += 1,
        }
    }
    if named == 0 && !objects.is_empty() {
        return Err(Error::Body("no object names a key"));
    }
    let missing = found.values().filter(|place| place.is_none()).count();
    if missing == found.len() && !asked.is_empty() {
        return Err(Error::Body("none of the requested keys"));
    }
    let of =
        |key: &ProductKey| found.get(key).cloned().flatten().unwrap_or(Checked::Unanswered { key: *key });
    Ok(Answer { checked: asked.iter().map(of).collect(), missing, strangers })
}

fn objects(body: &[u8]) -> Result<Vec<Map<String, Value>>, Error> {
    const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
    let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    match serde_json::from_slice(body) {
        Ok(Value::Array(entries)) => entries.into_iter().map(object).collect(),
        Ok(Value::Object(one)) if one.contains_key("keyname") => Ok(vec![one]),
        Ok(Value::Object(_)) => Err(Error::Body("an object without a keyname")),
        Ok(_) => Err(Error::Body("neither an array nor an object")),
        Err(error) if error.is_eof() => Err(Error::Body("JSON that ends early")),
        Err(_) => Err(Error::Body("not JSON")),
    }
}

fn object(entry: Value) -> Result<Map<String, Value>, Error> {
    match entry {
        Value::Object(object) => Ok(object),
        _ => Err(Error::Body("an array with other values than objects")),
    }
}

fn key_of(object: &Map<String, Value>) -> Option<ProductKey> {
    let parsed =
        |name| object.get(name).and_then(Value::as_str).and_then(|text| ProductKey::parse(text).ok());
    parsed("keyname").or_else(|| parsed("keyname_with_dash"))
}

fn checked(key: ProductKey, object: &Map<String, Value>) -> Checked {
    let text = |name| text(object.get(name), TEXT_CHARS);
    let integer = |name| integer(object.get(name));
    let Some(product) = text("prd") else {
        return Checked::Unknown { key };
    };
    let checked_text = text("datetime_checked_done");
    Checked::Known(KeyStatus {
        key,
        product,
        extended_pid: text("eid"),
        key_type: self::text(object.get("is_key_type"), KEY_TYPE_CHARS),
        is_retail: integer("is_retail"),
        sub_type: text("sub"),
        // All negative numbers have the same meaning; sums must not include others than -1.
        remaining: integer("remaining").unwrap_or(NOT_APPLICABLE).max(NOT_APPLICABLE),
        blocked: integer("blocked") == Some(1),
        error_code: text("errorcode"),
        had_occurred: integer("had_occurred").map(|number| number != 0),
        invalid: integer("invalid").map(|number| number != 0),
        checked_at: checked_text.as_deref().and_then(moment),
        checked_text,
    })
}

/// Returns a text or a number as text; `None` for blanks and other values.
fn text(value: Option<&Value>, chars: usize) -> Option<String> {
    let text: String = match value? {
        Value::String(text) => text.trim().chars().filter(|c| !c.is_control()).take(chars).collect(),
        Value::Number(number) => number.to_string().chars().take(chars).collect(),
        _ => String::new(),
    };
    // Truncation may leave a blank at the end.
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// Returns an integer from a number, a text or a boolean; `None` if it is fractional or out of range.
fn integer(value: Option<&Value>) -> Option<i32> {
    let number = match value? {
        Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
        Value::String(text) => text.trim().parse().ok().or_else(|| whole(text.trim().parse().ok()?)),
        Value::Bool(flag) => Some(i64::from(*flag)),
        _ => None,
    };
    number.and_then(|number| i32::try_from(number).ok())
}

fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() < EXACT_FLOAT).then_some(number as i64)
}

/// Parses a time such as `1/12/2026 1:48:27 PM (GMT+7)`, with the month first.
fn moment(text: &str) -> Option<DateTime<Utc>> {
    let (date, zone) = text.split_once('(')?;
    let local = NaiveDateTime::parse_from_str(date.trim(), "%m/%d/%Y %I:%M:%S %p").ok()?;
    let offset = offset(zone.trim_end().strip_suffix(')')?.trim().strip_prefix("GMT")?.trim())?;
    local.and_local_timezone(offset).single().map(|moment| moment.to_utc())
}

/// Parses an offset: `+7`, `-3:30`, `+07:00`, or empty for GMT.
fn offset(text: &str) -> Option<FixedOffset> {
    if text.is_empty() {
        return FixedOffset::east_opt(0);
    }
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = digits.split_once(':').unwrap_or((digits, "0"));
    let seconds = i32::from(hours.parse::<u8>().ok()?) * 3600 + i32::from(minutes.parse::<u8>().ok()?) * 60;
    FixedOffset::east_opt(sign * seconds)
}

#[cfg(test)]
mod tests;
