//! Callers: API keys and the scopes that they grant. A key is shown once, when it is generated; only its hash is stored.

mod api_key;

pub use api_key::{ApiKeyRecord, KeyHash, NewApiKey};

use crate::Invalid;
use std::time::Duration;

/// Scope that permits everything.
const EVERYTHING: &str = "*";

/// Permission of a caller: an area and a verb, or everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope(String);

impl Scope {
    /// Scopes that a new key can be given: those that routes require, and `*`, which permits everything.
    pub const GRANTABLE: [&str; 4] = [EVERYTHING, "keys:read", "keys:write", "terminology:read"];

    /// Parses a scope: `*`, or `area:verb` such as `keys:write`. Stored keys may have scopes that no route requires any
    /// more; see [`Scope::GRANTABLE`] for new keys.
    ///
    /// # Errors
    /// Returns [`Invalid`] naming `scope` if the text has neither form.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
        let area_and_verb = text.split_once(':').is_some_and(|(area, verb)| word(area) && word(verb));
        if text == EVERYTHING || (area_and_verb && text.len() <= 50) {
            return Ok(Self(text.to_owned()));
        }
        Err(Invalid::field("scope", "must be * or area:verb in lower-case letters, such as keys:write"))
    }

    /// Returns the text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Caller whose API key was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Row id of the API key, for logs.
    pub api_key_id: i64,
    /// Scopes of the key.
    pub scopes: Vec<Scope>,
    /// Time from the look-up until the key expires, measured by the database; `None` if it never does.
    pub expires_in: Option<Duration>,
}

impl Caller {
    /// Returns true if the caller has the scope `wanted`.
    pub fn may(&self, wanted: &str) -> bool {
        self.scopes.iter().any(|scope| scope.0 == EVERYTHING || scope.0 == wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(scope: &str) -> Caller {
        Caller { api_key_id: 1, scopes: vec![Scope::parse(scope).expect("a scope")], expires_in: None }
    }

    #[test]
    fn caller_may_do_what_its_scopes_permit() {
        let reader = caller("keys:read");
        assert!(reader.may("keys:read") && !reader.may("keys:write") && !reader.may("terminology:read"));
        assert!(caller("*").may("keys:write"));
    }

    #[test]
    fn scopes_have_an_area_and_a_verb() {
        for wrong in ["", "keys", "keys:", ":read", "Keys:read", "keys:read:all", "keys:*", "**"] {
            assert!(Scope::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Scope::GRANTABLE.iter().all(|scope| Scope::parse(scope).is_ok()));
    }
}
