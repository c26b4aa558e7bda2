//! Who may call: API keys and the scopes they carry. A key is shown once, when it is made; only its hash is kept.

use crate::{Invalid, text};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::fmt;

/// Characters of a key that may be shown, to tell keys apart.
const PREFIX_LENGTH: usize = 8;

/// The most characters that are looked at when somebody presents a key.
const PRESENTED_MAX: usize = 256;

/// What a caller may do: an area and a verb, or everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope(String);

impl Scope {
    /// The scope from its text form: `*`, or `area:verb` such as `keys:write`.
    ///
    /// # Errors
    /// [`Invalid`] naming `scope`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
        let area_and_verb = text.split_once(':').is_some_and(|(area, verb)| word(area) && word(verb));
        if text == "*" || (area_and_verb && text.len() <= 50) {
            return Ok(Self(text.to_owned()));
        }
        Err(Invalid::field("scope", "must be * or area:verb in lower-case letters, such as keys:write"))
    }

    /// Its text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A caller that proved who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The row id of its API key, for logs.
    pub api_key_id: i64,
    /// What it may do.
    pub scopes: Vec<Scope>,
}

impl Caller {
    /// Whether it may do what needs the scope `wanted`.
    pub fn may(&self, wanted: &str) -> bool {
        self.scopes.iter().any(|scope| scope.0 == "*" || scope.0 == wanted)
    }
}

/// SHA-256 of an API key. Keys have 256 random bits, so a slow hash would add nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// The hash of a presented key; `None` when nobody could have been given such a key.
    pub fn of_presented(presented: &str) -> Option<Self> {
        (1..=PRESENTED_MAX).contains(&presented.len()).then(|| Self::of(presented))
    }

    fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    /// The 32 bytes as they are stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(***)")
    }
}

/// A freshly made API key, and what is stored of it.
#[derive(Debug)]
pub struct NewApiKey {
    /// The key itself. Cannot be had again.
    pub secret: SecretString,
    /// What is stored.
    pub record: ApiKeyRecord,
}

/// What is stored of an API key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyRecord {
    /// What it is for, in its owner's words.
    pub name: String,
    /// Hash of the key.
    pub hash: KeyHash,
    /// Its first characters, to tell keys apart.
    pub prefix: String,
    /// What its bearer may do.
    pub scopes: Vec<Scope>,
}

impl NewApiKey {
    /// A key of 256 random bits for `name`, that may do `scopes`.
    ///
    /// # Errors
    /// [`Invalid`] naming `name` (1 to 100 characters) or `scope` (at least one).
    pub fn generate(name: &str, scopes: Vec<Scope>) -> Result<Self, Invalid> {
        let name = text::plain("name", name, 1..=100)?;
        if scopes.is_empty() {
            return Err(Invalid::field("scope", "at least one is needed"));
        }
        // The thread's generator is a cryptographic one, seeded by the operating system.
        let secret = SecretString::from(format!("sf_{}", hex(&rand::random::<[u8; 32]>())));
        let prefix = secret.expose_secret().chars().take(PREFIX_LENGTH).collect();
        let hash = KeyHash::of(secret.expose_secret());
        Ok(Self { secret, record: ApiKeyRecord { name, hash, prefix, scopes } })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(texts: &[&str]) -> Vec<Scope> {
        texts.iter().map(|text| Scope::parse(text).expect("a scope")).collect()
    }

    #[test]
    fn a_caller_may_do_what_its_scopes_say_and_no_more() {
        let reader = Caller { api_key_id: 1, scopes: scopes(&["keys:read"]) };
        assert!(reader.may("keys:read") && !reader.may("keys:write") && !reader.may("terminology:read"));
        assert!(Caller { api_key_id: 2, scopes: scopes(&["*"]) }.may("keys:write"));
    }

    #[test]
    fn scopes_have_an_area_and_a_verb() {
        for wrong in ["", "keys", "keys:", ":read", "Keys:read", "keys:read:all", "keys:*", "**"] {
            assert!(Scope::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_new_key_is_found_by_its_hash_and_debug_does_not_show_it() {
        let new = NewApiKey::generate("till", scopes(&["keys:read"])).expect("a key");
        let secret = new.secret.expose_secret();
        assert_eq!(KeyHash::of_presented(secret), Some(new.record.hash));
        assert!(secret.starts_with(&new.record.prefix) && secret.len() == 67);
        assert!(!format!("{new:?}").contains(secret));
    }

    #[test]
    fn two_keys_differ_and_impossible_ones_are_not_hashed() {
        let make = || NewApiKey::generate("till", scopes(&["*"])).expect("a key").record.hash;
        assert_ne!(make(), make());
        assert_eq!(KeyHash::of_presented(""), None);
        assert_eq!(KeyHash::of_presented(&"x".repeat(257)), None);
        assert!(NewApiKey::generate("till", vec![]).is_err());
    }
}
