//! Callers: API keys with their scopes, and users with their roles and sessions. A key or token is shown once, when it
//! is generated; only its hash is stored.

mod api_keys;
mod passwords;
mod roles;
mod secrets;
mod sessions;
mod users;

pub use api_keys::{API_KEYS_PAGE, ApiKey, ApiKeyRecord, ApiKeySettings, NewApiKey};
pub use passwords::{PASSWORD_MAX, PASSWORD_MIN, Password};
pub use roles::{Role, scopes_of};
pub use secrets::{Credential, KeyHash};
pub use sessions::{LOGIN_ATTEMPTS_MAX, LoginName, NewSession, SESSIONS_MAX, Session, SessionLimits};
pub use users::{TrustLevel, USERS_PAGE, User, UserFields, UserSettings};

use crate::Invalid;
use serde::Serialize;
use std::fmt;
use std::time::Duration;
use utoipa::ToSchema;

/// Scope that permits everything.
const EVERYTHING: &str = "*";

/// Permission of a caller: an area and a verb, or everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[schema(value_type = String, pattern = r"^(\*|[a-z]+:[a-z]+)$", max_length = 50, example = "keys:read")]
pub struct Scope(String);

impl Scope {
    /// Scopes that a new key can be given: those that routes require, and `*`, which permits everything.
    pub const GRANTABLE: [&str; 15] = [
        EVERYTHING,
        "audit:read",
        "identity:own",
        "identity:read",
        "identity:write",
        "keys:read",
        "keys:write",
        "ledger:read",
        "ledger:write",
        "notes:read",
        "notes:sign",
        "notes:write",
        "practice:read",
        "practice:write",
        "terminology:read",
    ];

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

    /// Parses the scopes for a key: at least one of [`Scope::GRANTABLE`].
    ///
    /// # Errors
    /// Returns [`Invalid`] naming `scopes` if there is none, or one that cannot be granted.
    pub fn parse_grantable(scopes: &[impl AsRef<str>]) -> Result<Vec<Self>, Invalid> {
        let is_grantable = |scope: &str| Self::GRANTABLE.contains(&scope);
        if scopes.is_empty() || !scopes.iter().all(|scope| is_grantable(scope.as_ref())) {
            let all = Self::GRANTABLE.join(", ");
            return Err(Invalid::field("scopes", format!("must be one or more of {all}")));
        }
        Ok(scopes.iter().map(|scope| Self(scope.as_ref().to_owned())).collect())
    }

    /// Returns the text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Identity of a caller, for what is stored about its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Principal {
    /// A program with the API key of this row id.
    ApiKey(i64),
    /// A user in a session, both by row id.
    User {
        /// Row id of the user.
        id: i64,
        /// Row id of the session.
        session: i64,
    },
    /// An operator with access to the database, through `steadfast-ctl`.
    Operator,
    /// A caller without a credential, who logs in.
    Anonymous,
}

/// Writes the stored form, such as `api_key:7`. It is the same in all sessions of a user.
impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ApiKey(id) => write!(f, "api_key:{id}"),
            Self::User { id, .. } => write!(f, "user:{id}"),
            Self::Operator => f.write_str("operator"),
            Self::Anonymous => f.write_str("anonymous"),
        }
    }
}

impl Principal {
    /// Returns the row id of the API key, if the caller has one.
    pub const fn api_key_id(self) -> Option<i64> {
        match self {
            Self::ApiKey(id) => Some(id),
            Self::User { .. } | Self::Operator | Self::Anonymous => None,
        }
    }

    /// Returns the row id of the user, if the caller is one.
    pub const fn user_id(self) -> Option<i64> {
        match self {
            Self::User { id, .. } => Some(id),
            Self::ApiKey(_) | Self::Operator | Self::Anonymous => None,
        }
    }

    /// Returns the row id of the session, if the caller is a user.
    pub const fn session_id(self) -> Option<i64> {
        match self {
            Self::User { session, .. } => Some(session),
            Self::ApiKey(_) | Self::Operator | Self::Anonymous => None,
        }
    }
}

/// Caller whose API key or session was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Identity, for logs and what is stored.
    pub principal: Principal,
    /// Scopes of the key, or of the roles of the user.
    pub scopes: Vec<Scope>,
    /// Time from the look-up until the key or session expires, measured by the database; `None` if it never does.
    pub expires_in: Option<Duration>,
}

impl Caller {
    /// Returns an operator, who may do everything.
    pub fn operator() -> Self {
        Self { principal: Principal::Operator, scopes: vec![Scope(EVERYTHING.to_owned())], expires_in: None }
    }

    /// Returns true if the caller has the scope `wanted`.
    pub fn may(&self, wanted: &str) -> bool {
        self.scopes.iter().any(|scope| scope.0 == EVERYTHING || scope.0 == wanted)
    }

    /// Returns the first of `scopes` that the caller does not have and therefore cannot grant, if there is one.
    pub fn cannot_grant<'a>(&self, scopes: &'a [Scope]) -> Option<&'a Scope> {
        scopes.iter().find(|scope| !self.may(&scope.0))
    }

    /// Returns the identity of the caller.
    pub fn principal(&self) -> Principal {
        self.principal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(scope: &str) -> Caller {
        Caller {
            principal: Principal::ApiKey(1),
            scopes: vec![Scope::parse(scope).expect("a scope")],
            expires_in: None,
        }
    }

    #[test]
    fn caller_may_do_what_its_scopes_permit() {
        let reader = caller("keys:read");
        assert!(reader.may("keys:read") && !reader.may("keys:write") && !reader.may("terminology:read"));
        assert!(caller("*").may("keys:write"));
    }

    #[test]
    fn caller_grants_no_more_than_it_has() {
        let scopes = |texts: &[&str]| {
            texts.iter().map(|text| Scope::parse(text).expect("a scope")).collect::<Vec<_>>()
        };
        let reader = caller("keys:read");
        assert_eq!(reader.cannot_grant(&scopes(&["keys:read"])), None);
        for more in ["keys:write", "*"] {
            assert_eq!(reader.cannot_grant(&scopes(&["keys:read", more])).map(Scope::as_str), Some(more));
        }
        assert_eq!(caller("*").cannot_grant(&scopes(&["*", "keys:write"])), None);
    }

    #[test]
    fn only_known_scopes_are_granted() {
        assert_eq!(Scope::parse_grantable(&["keys:read", "*"]).map(|scopes| scopes.len()), Ok(2));
        for wrong in [&[][..], &["keys:reed"], &["keys:read", "shoes:polish"]] {
            assert_eq!(Scope::parse_grantable(wrong).expect_err("refused").fields()[0].field, "scopes");
        }
    }

    #[test]
    fn scopes_have_an_area_and_a_verb() {
        for wrong in ["", "keys", "keys:", ":read", "Keys:read", "keys:read:all", "keys:*", "**"] {
            assert!(Scope::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Scope::GRANTABLE.iter().all(|scope| Scope::parse(scope).is_ok()));
    }
}
