//! The format of API keys and the errors that their checksum detects.

use super::*;
use crate::identity::{ApiKeySettings, NewApiKey, NewSession};
use proptest::prelude::*;

/// Key that was generated once. Keys that are in use depend on the format, so it must stay valid.
const KNOWN: &str = "sf_KnownKeyOfTheTestsKeyOfTheTestsKeyOfTheTest2ncGav";

fn new_key() -> NewApiKey {
    NewApiKey::generate(ApiKeySettings::parse("till", &["*"], None).expect("a key"))
}

fn generated() -> impl Strategy<Value = String> {
    Just(()).prop_map(|()| new_key().secret.expose_secret().to_owned())
}

fn is_accepted(presented: &str) -> bool {
    Credential::of_presented(presented).is_some()
}

#[test]
fn new_key_is_found_by_its_hash() {
    let new = new_key();
    let secret = new.secret.expose_secret();
    assert_eq!(KeyHash::of_presented(secret), Some(new.record.hash));
    assert!(secret.starts_with(&new.record.prefix) && new.record.prefix.len() == 8);
    assert_ne!(new.record.hash, new_key().record.hash);
}

#[test]
fn debug_output_hides_keys() {
    let new = new_key();
    assert!(!format!("{new:?}").contains(new.secret.expose_secret()));
}

#[test]
fn format_never_changes() {
    assert!(is_accepted(KNOWN));
    assert_eq!((KNOWN.len(), checksum_of("").as_str()), (52, "000000"));
}

#[test]
fn rejects_everything_that_is_no_key() {
    let hexadecimal = format!("sf_{}", "0123456789abcdef".repeat(4));
    let long = "x".repeat(100_000);
    for text in ["", "sf_", "nobody", "sf_nobody", &hexadecimal, &long, &"ä".repeat(26), &format!("{KNOWN} ")]
    {
        assert!(!is_accepted(text), "{text}");
    }
}

#[test]
fn prefix_tells_session_tokens_from_api_keys() {
    let session = NewSession::generate();
    let token = session.token.expose_secret();
    assert_eq!(Credential::of_presented(token), Some(Credential::Session(session.hash)));
    assert_eq!(KeyHash::of_presented(token), None);
    assert!(!is_accepted(&token.replacen("ss_", "sf_", 1)), "the checksum covers the prefix");
}

proptest! {
    #[test]
    fn rejects_any_changed_character(key in generated(), at in 0..52_usize, other in any::<char>()) {
        let changed: String = key.chars().enumerate().map(|(n, c)| if n == at { other } else { c }).collect();
        prop_assert_eq!(is_accepted(&changed), changed == key);
    }

    #[test]
    fn rejects_any_changed_letter_or_digit(key in generated(), at in 0..52_usize, other in 0..62_usize) {
        let mut changed = key.clone().into_bytes();
        changed[at] = DIGITS[other];
        let changed = String::from_utf8(changed).expect("ASCII");
        prop_assert_eq!(is_accepted(&changed), changed == key);
    }

    #[test]
    fn rejects_swapped_neighbours(key in generated(), at in 0..51_usize) {
        let mut swapped = key.clone().into_bytes();
        swapped.swap(at, at + 1);
        let swapped = String::from_utf8(swapped).expect("ASCII");
        prop_assert_eq!(is_accepted(&swapped), swapped == key);
    }

    #[test]
    fn rejects_truncated_and_extended_keys(key in generated(), length in 0..52_usize, more in "[0-9A-Za-z]{1,9}") {
        prop_assert!(!is_accepted(&key[..length]));
        let extended = format!("{key}{more}");
        prop_assert!(!is_accepted(&extended));
    }
}
