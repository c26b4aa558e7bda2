//! Sessions: what a user gets by logging in. A session ends when it is not used for a while, at a fixed time after its
//! beginning, or when it is revoked.

use super::secrets::{self, KeyHash};
use crate::{Invalid, text};
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// Beginning of every session token.
pub(super) const PREFIX: &str = "ss_";

/// Limits of all sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// Time without a request after which a session ends.
    pub idle: Duration,
    /// Time after which a session ends, however much it is used.
    pub total: Duration,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self { idle: Duration::from_secs(30 * 60), total: Duration::from_secs(12 * 60 * 60) }
    }
}

/// Maximum number of sessions that a list shows, the latest ones.
pub const SESSIONS_MAX: i64 = 100;

/// Address with which a user logs in: an e-mail address in lower case, or a phone number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginName(String);

impl LoginName {
    /// Parses an address. It is checked no further, because one that no user has is as wrong as one that none can have.
    ///
    /// # Errors
    /// Returns [`Invalid`] naming `login` if it does not have 1 to 254 characters or contains a control character.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        Ok(Self(text::plain("login", text, 1..=254)?.to_lowercase()))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Maximum number of attempts to log in with an address. The next one is refused until 45 minutes after
/// the last of them. A success resets the count.
pub const LOGIN_ATTEMPTS_MAX: i32 = 5;

/// Stored session, without its token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Session {
    /// Row id.
    pub id: i64,
    /// Row id of the user.
    pub user_id: i64,
    /// Time of the login.
    pub created_at: DateTime<Utc>,
    /// Time of the last request, to the minute.
    pub last_activity_at: DateTime<Utc>,
    /// Time at which the session ends, however much it is used.
    pub expires_at: DateTime<Utc>,
    /// Time of the revocation; null if the session was not revoked.
    pub revoked_at: Option<DateTime<Utc>>,
    /// Header `User-Agent` of the login; null if there was none.
    pub user_agent: Option<String>,
}

/// Newly generated session token and its hash.
#[derive(Debug)]
pub struct NewSession {
    /// The token itself. It is not stored and cannot be recovered.
    pub token: SecretString,
    /// Hash of the token.
    pub hash: KeyHash,
}

impl NewSession {
    /// Generates a token of 256 random bits.
    pub fn generate() -> Self {
        let (token, hash) = secrets::generate(PREFIX);
        Self { token, hash }
    }
}
