//! API keys: their generation, and what is stored of them.

use super::Scope;
use super::secrets::{self, KeyHash};
use crate::page::PageLimits;
use crate::version::Version;
use crate::{Checks, Invalid, text};
use chrono::{DateTime, Datelike, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use utoipa::ToSchema;

/// Beginning of every API key.
pub(super) const PREFIX: &str = "sf_";

/// Number of leading characters that are stored in clear and may be shown to tell keys apart.
const SHOWN_LENGTH: usize = 8;

/// Page sizes of the list of keys.
pub const API_KEYS_PAGE: PageLimits = PageLimits { default: 50, max: 100 };

/// Stored API key, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ApiKey {
    /// Row id.
    pub id: i64,
    /// Purpose of the key.
    pub name: String,
    /// First characters of the key, to tell keys apart.
    pub key_prefix: String,
    /// Scopes that the key grants.
    pub scopes: Vec<Scope>,
    /// Time of its creation.
    pub created_at: DateTime<Utc>,
    /// Caller that created it, such as `user:7`; null if unknown.
    pub created_by: Option<String>,
    /// Time of its last use, to the minute; null if it was not used.
    pub last_used_at: Option<DateTime<Utc>>,
    /// Time from which on the key is refused; null if it does not expire.
    pub expires_at: Option<DateTime<Utc>>,
    /// Time of its revocation; null if it was not revoked.
    pub revoked_at: Option<DateTime<Utc>>,
    /// Number of its changes, from 1. The `ETag` of the key.
    pub version: Version,
}

/// Parts of an API key that its owner sets and can change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeySettings {
    /// Purpose of the key.
    pub name: String,
    /// Scopes that the key grants.
    pub scopes: Vec<Scope>,
    /// Time from which on the key is refused.
    pub expires_at: Option<DateTime<Utc>>,
}

impl ApiKeySettings {
    /// Checks the parts of a key.
    ///
    /// # Errors
    /// Returns [`Invalid`] naming `name` if it does not have 1 to 100 characters, `scopes` if there is none or one that
    /// cannot be granted, and `expires_at` if the year has more than four digits.
    pub fn parse(
        name: &str,
        scopes: &[impl AsRef<str>],
        expires_at: Option<DateTime<Utc>>,
    ) -> Result<Self, Invalid> {
        let mut checks = Checks::default();
        let name = checks.keep(text::plain("name", name, 1..=100));
        let scopes = checks.keep(Scope::parse_grantable(scopes));
        let is_in_range = expires_at.is_none_or(|end| (0..10_000).contains(&end.year()));
        let in_range = checks.keep(match is_in_range {
            true => Ok(()),
            false => Err(Invalid::field("expires_at", "must have a year of four digits")),
        });
        match (name, scopes, in_range) {
            (Some(name), Some(scopes), Some(())) => Ok(Self { name, scopes, expires_at }),
            _ => Err(checks.refused()),
        }
    }
}

/// Newly generated API key and the record to store for it.
#[derive(Debug)]
pub struct NewApiKey {
    /// The key itself. It is not stored and cannot be recovered.
    pub secret: SecretString,
    /// The record to store.
    pub record: ApiKeyRecord,
}

/// Stored form of an API key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyRecord {
    /// Hash of the key.
    pub hash: KeyHash,
    /// First characters of the key, to tell keys apart.
    pub prefix: String,
    /// Name, scopes and expiry.
    pub settings: ApiKeySettings,
}

impl NewApiKey {
    /// Generates a key of 256 random bits.
    pub fn generate(settings: ApiKeySettings) -> Self {
        let (secret, hash) = secrets::generate(PREFIX);
        let prefix = secret.expose_secret().chars().take(SHOWN_LENGTH).collect();
        Self { secret, record: ApiKeyRecord { hash, prefix, settings } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wrong_part_is_named() {
        let end = DateTime::<Utc>::MAX_UTC;
        let invalid = ApiKeySettings::parse("", &["keys:reed"], Some(end)).expect_err("three faults");
        let fields: Vec<&str> = invalid.fields().iter().map(|field| field.field.as_str()).collect();
        assert_eq!(fields, ["name", "scopes", "expires_at"]);
    }
}
