//! Responses for keys, derived from a hash of the key, so that they are the same on every machine and in every run.

use crate::catalogue::{self, Channel, Product};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Percentage of keys without a known product.
const UNKNOWN_PERCENT: u8 = 3;
/// Percentage of known keys that are blocked.
const BLOCKED_PERCENT: u8 = 5;

/// Response for a key. The order of the members is part of the format, because existing scripts rely on it: `prd` is
/// member 6, `blocked` 11, `errorcode` 12.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Entry {
    pub(crate) keyname: String,
    keyname_with_dash: String,
    eid: Option<String>,
    is_key_type: Option<String>,
    is_retail: Option<u8>,
    pub(crate) prd: Option<String>,
    sub: Option<String>,
    /// Number, the same number as text, or null.
    remaining: Value,
    had_occurred: u8,
    invalid: u8,
    blocked: i8,
    errorcode: Option<String>,
    datetime_checked_done: String,
    /// Not part of the documented format: clients must ignore unknown members.
    server_no: u8,
}

/// Pseudo-random values from the hash of a key. Independent properties (product, unknown, blocked) use different bytes.
struct Draws([u8; 32]);

impl Draws {
    fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    fn number(&self, at: usize) -> u32 {
        let bytes = &self.0[at..at + 4];
        bytes.iter().fold(0, |number, &byte| (number << 8) | u32::from(byte))
    }

    fn product(&self) -> u64 {
        (u64::from(self.number(0)) << 32) | u64::from(self.number(4))
    }

    fn is_unknown(&self) -> bool {
        self.number(8) % 100 < u32::from(UNKNOWN_PERCENT)
    }

    fn is_blocked(&self) -> bool {
        self.number(12) % 100 < u32::from(BLOCKED_PERCENT)
    }

    /// Returns true for one in `of` keys, by the byte `at` of the hash.
    fn one_in(&self, of: u8, at: usize) -> bool {
        self.0[at].is_multiple_of(of)
    }
}

/// Returns the keys of the `keys` parameter: one per line (CR LF or LF), with or without dashes. Ignores blank lines.
pub(crate) fn keys_in(parameter: &str) -> Vec<String> {
    parameter
        .lines()
        .map(|line| line.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_uppercase())
        .filter(|key| !key.is_empty())
        .collect()
}

/// Returns the responses for `keys` in a different order than requested, so that clients cannot rely on it.
pub(crate) fn entries(keys: &[String]) -> Vec<Entry> {
    let mut shuffled: Vec<&String> = keys.iter().collect();
    shuffled.sort_by_key(|key| Draws::of(key).0);
    if shuffled.iter().copied().eq(keys) {
        shuffled.reverse();
    }
    shuffled.into_iter().map(|key| entry(key)).collect()
}

/// Returns the response for a key without dashes in upper case.
pub(crate) fn entry(key: &str) -> Entry {
    let draws = Draws::of(key);
    if draws.is_unknown() {
        return unknown(key, &draws);
    }
    let product = catalogue::pick(draws.product());
    let blocked = draws.is_blocked();
    Entry {
        eid: (!draws.one_in(12, 24)).then(|| extended_pid(&draws)),
        is_key_type: (!draws.one_in(9, 25)).then(|| key_type(product)),
        is_retail: (!draws.one_in(20, 26)).then(|| if product.channel == Channel::Retail { 1 } else { 2 }),
        prd: Some(product.code.clone()),
        sub: (!draws.one_in(7, 27)).then(|| sub_type(&draws)),
        remaining: remaining(product, blocked, &draws),
        blocked: if blocked { 1 } else { -1 },
        errorcode: error_code(product, blocked, &draws),
        ..unknown(key, &draws)
    }
}

fn unknown(key: &str, draws: &Draws) -> Entry {
    Entry {
        keyname: key.to_owned(),
        keyname_with_dash: dashed(key),
        eid: None,
        is_key_type: None,
        is_retail: None,
        prd: None,
        sub: None,
        remaining: Value::Null,
        had_occurred: 0,
        invalid: u8::from(draws.is_unknown()),
        blocked: -1,
        errorcode: draws.is_unknown().then(|| "0xC004C004".to_owned()),
        datetime_checked_done: checked_text(draws),
        server_no: draws.0[31] % 4,
    }
}

fn dashed(key: &str) -> String {
    let groups: Vec<&[u8]> = key.as_bytes().chunks(5).collect();
    groups.iter().map(|group| String::from_utf8_lossy(group)).collect::<Vec<_>>().join("-")
}

fn key_type(product: &Product) -> String {
    match product.channel {
        Channel::Mak => "Volume:MAK".to_owned(),
        Channel::Retail => "Retail".to_owned(),
    }
}

fn extended_pid(draws: &Draws) -> String {
    let number = draws.number(16);
    format!(
        "XXXXX-{:05}-{:03}-{:06}-03-1033-9200.0000-{:03}2022",
        number % 100_000,
        number % 1_000,
        draws.number(20) % 1_000_000,
        1 + number % 365
    )
}

fn sub_type(draws: &Draws) -> String {
    let number = draws.number(16);
    match number % 3 {
        0 => format!("X18-{:05}", number % 100_000),
        1 => format!("X21-{:05}", number % 100_000),
        _ => format!("[TH]res-v{:04}", number % 10_000),
    }
}

/// Returns the activations left. Only volume keys that are not blocked have some; one in four is text instead of a number.
fn remaining(product: &Product, blocked: bool, draws: &Draws) -> Value {
    if product.channel == Channel::Retail || blocked {
        return if draws.one_in(10, 28) { Value::Null } else { Value::from(-1) };
    }
    let left = draws.number(20) % 3_000;
    if draws.one_in(4, 29) { Value::from(left.to_string()) } else { Value::from(left) }
}

fn error_code(product: &Product, blocked: bool, draws: &Draws) -> Option<String> {
    let code = match (blocked, product.channel) {
        (true, _) if draws.one_in(3, 30) => "0xC004C003",
        (true, _) => "0xC004C060",
        (false, Channel::Mak) => return None,
        (false, Channel::Retail) if draws.one_in(5, 30) => "0xC004C008",
        (false, Channel::Retail) => return Some("Online Key".to_owned()),
    };
    Some(match draws.0[29] % 3 {
        0 => code.to_ascii_uppercase(),
        1 => code.to_ascii_lowercase(),
        _ => code.to_owned(),
    })
}

fn checked_text(draws: &Draws) -> String {
    let number = draws.number(16);
    format!(
        "{}/{}/2025 {}:{:02}:{:02} {} (GMT+7)",
        1 + number % 12,
        1 + number % 28,
        1 + draws.number(20) % 12,
        draws.0[24] % 60,
        draws.0[25] % 60,
        if draws.0[26].is_multiple_of(2) { "AM" } else { "PM" }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const ALPHABET: &[u8; 24] = b"2346789BCDFGHJKMNPQRTVWX";

    /// Returns `count` different keys of the usual alphabet.
    fn keys(count: u32) -> Vec<String> {
        (0..count).map(|number| spelled(&Draws::of(&number.to_string()).0)).collect()
    }

    fn spelled(bytes: &[u8; 32]) -> String {
        bytes[..25].iter().map(|byte| char::from(ALPHABET[usize::from(byte % 24)])).collect()
    }

    #[test]
    fn responses_are_deterministic() {
        // A literal response also detects changes of the algorithm.
        let entry = serde_json::to_string(&entry("6NRGDKHFCFY4TF7PRWFDYBF3H")).unwrap();
        assert_eq!(entry, EXPECTED);
    }

    const EXPECTED: &str = concat!(
        r#"{"keyname":"6NRGDKHFCFY4TF7PRWFDYBF3H","keyname_with_dash":"6NRGD-KHFCF-Y4TF7-PRWFD-YBF3H","#,
        r#""eid":"XXXXX-33890-890-200154-03-1033-9200.0000-1212022","is_key_type":"Volume:MAK","is_retail":2,"#,
        r#""prd":"Windows81_Enterprise_MAK","sub":"X21-33890","remaining":"2154","had_occurred":0,"invalid":0,"#,
        r#""blocked":-1,"errorcode":null,"datetime_checked_done":"11/27/2025 7:23:31 PM (GMT+7)","server_no":2}"#
    );

    #[test]
    fn members_have_the_documented_order() {
        let text = serde_json::to_string(&entry("6NRGDKHFCFY4TF7PRWFDYBF3H")).unwrap();
        let place = |name: &str| text.find(&format!("\"{name}\":")).unwrap();
        let expected = [
            "keyname",
            "keyname_with_dash",
            "eid",
            "is_key_type",
            "is_retail",
            "prd",
            "sub",
            "remaining",
            "had_occurred",
            "invalid",
            "blocked",
            "errorcode",
            "datetime_checked_done",
        ];
        assert!(expected.map(place).is_sorted(), "{text}");
        assert_eq!((expected[5], expected[10], expected[11]), ("prd", "blocked", "errorcode"));
    }

    #[test]
    fn keys_have_the_documented_proportions() {
        let entries: Vec<Entry> = keys(20_000).iter().map(|key| entry(key)).collect();
        let known: Vec<&Entry> = entries.iter().filter(|entry| entry.prd.is_some()).collect();
        let unknown = entries.len() - known.len();
        assert!((500..=700).contains(&unknown), "3 % of 20,000 is 600, not {unknown}");
        let blocked = known.iter().filter(|entry| entry.blocked == 1).count();
        assert!((870..=1_070).contains(&blocked), "5 % of 19,400 is 970, not {blocked}");
        let has = |test: fn(&&&Entry) -> bool| known.iter().filter(test).count();
        assert!(has(|entry| entry.remaining == -1) > 1_000);
        assert!(has(|entry| entry.remaining.is_null()) > 100);
        assert!(has(|entry| entry.remaining.is_string()) > 1_000);
        assert!(has(|entry| entry.eid.is_none()) > 500);
    }

    #[test]
    fn few_products_have_most_keys() {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for product in keys(20_000).iter().filter_map(|key| entry(key).prd) {
            *counts.entry(product).or_default() += 1;
        }
        assert_eq!(counts.len(), 80, "each product occurs");
        let mut counts: Vec<usize> = counts.into_values().collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        let top: usize = counts[..8].iter().sum();
        assert!(top > 19_400 / 2, "the first tenth of the products has more than half of the keys: {top}");
        assert!(counts[79] < 100, "the last one is rare: {}", counts[79]);
    }

    #[test]
    fn error_codes_have_several_spellings() {
        let codes: Vec<String> = keys(5_000).iter().filter_map(|key| entry(key).errorcode).collect();
        for spelling in ["0xC004C060", "0XC004C060", "0xc004c060", "Online Key", "0xC004C003"] {
            assert!(codes.iter().any(|code| code == spelling), "{spelling} occurs");
        }
    }

    #[test]
    fn keys_are_read_with_any_line_end_and_dashes() {
        let read = keys_in("6NRGD-KHFCF-Y4TF7-PRWFD-YBF3H\r\n6nrgdkhfcfy4tf7prwfdybf3j\n\n ");
        assert_eq!(read, ["6NRGDKHFCFY4TF7PRWFDYBF3H", "6NRGDKHFCFY4TF7PRWFDYBF3J"]);
    }

    #[test]
    fn responses_have_a_different_order_than_requests() {
        for asked in [keys(2), keys(7), keys(50), keys(2).into_iter().rev().collect()] {
            let answered: Vec<String> = entries(&asked).into_iter().map(|entry| entry.keyname).collect();
            assert_ne!(answered, asked);
            let (mut answered, mut asked) = (answered, asked);
            answered.sort();
            asked.sort();
            assert_eq!(answered, asked, "every key is answered");
        }
    }
}
