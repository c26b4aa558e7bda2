//! Users: people who call the server.

use super::{Role, Scope, scopes_of};
use crate::fields::names;
use crate::page::PageLimits;
use crate::version::Version;
use crate::{Checks, Invalid, text};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Page sizes of the list of users.
pub const USERS_PAGE: PageLimits = PageLimits { default: 50, max: 100 };

/// Maximum length of an e-mail address.
const EMAIL_MAX: usize = 254;

names! {
    /// Degree of trust in a user.
    #[derive(Default)]
    pub enum TrustLevel {
        /// Signed up a short time ago.
        #[default]
        New = "new",
        /// Has used the service without complaints.
        Standard = "standard",
        /// Was vouched for.
        Trusted = "trusted",
    }
}

/// Stored user, without the hash of the password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct User {
    /// Row id.
    pub id: i64,
    /// E-mail address in lower case; null if there is none.
    pub email: Option<String>,
    /// Phone number as in E.164; null if there is none.
    pub phone_number: Option<String>,
    /// Name as it is shown.
    pub display_name: String,
    /// True if the user has a password.
    pub has_password: bool,
    /// Roles, each of which gives scopes.
    pub roles: Vec<Role>,
    /// False if the user was deactivated and cannot log in.
    pub is_active: bool,
    /// Degree of trust.
    pub trust_level: TrustLevel,
    /// Token of the link by which the user refers others; null if there is none.
    pub referral_share_token: Option<String>,
    /// Place where the user signed up; null if unknown.
    pub signup_source: Option<String>,
    /// Time of the creation.
    pub created_at: DateTime<Utc>,
    /// Time of the last change.
    pub updated_at: DateTime<Utc>,
    /// Number of the changes, from 1. The `ETag` of the user.
    pub version: Version,
}

impl User {
    /// Returns the scopes that the roles give.
    pub fn scopes(&self) -> Vec<Scope> {
        scopes_of(&self.roles)
    }
}

/// Settings of a user, before their validation.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = UserSettings)]
pub struct UserFields {
    /// E-mail address, which is stored in lower case. A user has it or a phone number.
    #[schema(max_length = 254, pattern = "^[!-?A-~]+@[!-?A-~]+$", example = "grace@example.com")]
    pub email: Option<String>,
    /// Phone number as in E.164. A user has it or an e-mail address.
    #[schema(pattern = r"^\+[1-9][0-9]{6,14}$", example = "+12025550143")]
    pub phone_number: Option<String>,
    /// Name as it is shown.
    #[schema(
        max_length = 100,
        pattern = "^\\s*[^\\s\\x00-\\x1f\\x7f-\\x9f]([^\\x00-\\x1f\\x7f-\\x9f]*)$",
        example = "Grace Hopper"
    )]
    pub display_name: String,
    /// Roles. Callers grant those whose scopes they have.
    #[schema(min_items = 1, example = json!(["front_desk"]))]
    pub roles: Vec<Role>,
    /// False for a user who cannot log in. A new user is active, and a change without this field leaves it as it is.
    pub is_active: Option<bool>,
    /// Degree of trust; `new` by default.
    pub trust_level: Option<TrustLevel>,
    /// Place where the user signed up.
    #[schema(max_length = 50, pattern = "^\\s*[^\\s\\x00-\\x1f\\x7f-\\x9f]([^\\x00-\\x1f\\x7f-\\x9f]*)$")]
    pub signup_source: Option<String>,
}

/// Parts of a user that can be set and changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserSettings {
    /// E-mail address in lower case.
    pub email: Option<String>,
    /// Phone number as in E.164.
    pub phone_number: Option<String>,
    /// Name as it is shown.
    pub display_name: String,
    /// Roles, sorted, each once.
    pub roles: Vec<Role>,
    /// False for a user who cannot log in; `None` leaves it as it is.
    pub is_active: Option<bool>,
    /// Degree of trust.
    pub trust_level: TrustLevel,
    /// Place where the user signed up.
    pub signup_source: Option<String>,
}

impl UserFields {
    /// Checks the settings of a user.
    ///
    /// # Errors
    /// Returns [`Invalid`] naming each field with a wrong value, and `email` if there is no address at all.
    pub fn parse(self) -> Result<UserSettings, Invalid> {
        let mut checks = Checks::default();
        let has_address = self.email.is_some() || self.phone_number.is_some();
        let email = checks.keep(self.email.map(|text| email("email", &text)).transpose());
        let phone_number =
            checks.keep(self.phone_number.map(|text| phone_number("phone_number", text)).transpose());
        let display_name = checks.keep(text::plain("display_name", &self.display_name, 1..=100));
        let source = self.signup_source.map(|text| text::plain("signup_source", &text, 1..=50));
        let signup_source = checks.keep(source.transpose());
        let has_role = !self.roles.is_empty();
        let complete = [
            (has_address, "email", "or phone_number must be given"),
            (has_role, "roles", "must have at least one role"),
        ];
        for (is_met, field, message) in complete {
            checks.keep(if is_met { Ok(()) } else { Err(Invalid::field(field, message)) });
        }
        let mut roles = self.roles;
        roles.sort_unstable();
        roles.dedup();
        let parts = (email, phone_number, display_name, signup_source, has_address && has_role);
        let (Some(email), Some(phone_number), Some(display_name), Some(signup_source), true) = parts else {
            return Err(checks.refused());
        };
        let trust_level = self.trust_level.unwrap_or_default();
        Ok(UserSettings {
            email,
            phone_number,
            display_name,
            roles,
            is_active: self.is_active,
            trust_level,
            signup_source,
        })
    }
}

/// Parses an e-mail address and returns it in lower case. It is checked no further, because only a message to it shows
/// whether it exists.
fn email(field: &str, text: &str) -> Result<String, Invalid> {
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_graphic() && b != b'@');
    let is_address = text.split_once('@').is_some_and(|(local, host)| is_part(local) && is_part(host));
    if !is_address || text.len() > EMAIL_MAX {
        let message = format!("must be an e-mail address of at most {EMAIL_MAX} ASCII characters");
        return Err(Invalid::field(field, message));
    }
    Ok(text.to_ascii_lowercase())
}

/// Parses a phone number as in E.164.
fn phone_number(field: &str, text: String) -> Result<String, Invalid> {
    let digits = text.strip_prefix('+').unwrap_or_default();
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    if !is_number || !(7..=15).contains(&digits.len()) {
        return Err(Invalid::field(field, "must be + and 7 to 15 digits, such as +12025550143"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(email: Option<&str>, phone_number: Option<&str>, roles: &[Role]) -> UserFields {
        UserFields {
            email: email.map(str::to_owned),
            phone_number: phone_number.map(str::to_owned),
            display_name: " Grace ".to_owned(),
            roles: roles.to_vec(),
            is_active: None,
            trust_level: None,
            signup_source: None,
        }
    }

    #[test]
    fn addresses_are_normalised() {
        let user = fields(Some("Grace@Example.COM"), None, &[Role::User, Role::Admin, Role::User]);
        let user = user.parse().expect("a user");
        assert_eq!(user.email.as_deref(), Some("grace@example.com"));
        assert_eq!((user.display_name.as_str(), user.roles), ("Grace", vec![Role::Admin, Role::User]));
    }

    #[test]
    fn each_wrong_field_is_named() {
        let long = format!("{}@b", "a".repeat(253));
        for wrong in ["", "a", "@b", "a@", "a@b@c", "a b@c", "ä@b", long.as_str()] {
            let invalid = fields(Some(wrong), None, &[Role::User]).parse().expect_err(wrong);
            assert_eq!(invalid.fields()[0].field, "email", "{wrong}");
        }
        for wrong in ["", "12025550143", "+0123456789", "+123456", "+1234567890123456", "+1202555o143"] {
            let invalid = fields(None, Some(wrong), &[Role::User]).parse().expect_err(wrong);
            assert_eq!(invalid.fields()[0].field, "phone_number", "{wrong}");
        }
        let invalid = fields(None, None, &[]).parse().expect_err("neither address nor role");
        let named: Vec<&str> = invalid.fields().iter().map(|field| field.field.as_str()).collect();
        assert_eq!(named, ["email", "roles"]);
    }
}
