//! Passwords.

use crate::Invalid;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// Minimum number of characters of a new password.
pub const PASSWORD_MIN: usize = 12;

/// Maximum number of characters of a password.
pub const PASSWORD_MAX: usize = 128;

/// Password in clear. `Debug` does not show it.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "String")]
pub struct Password(SecretString);

impl Password {
    /// Returns the password as the new one of a user.
    ///
    /// # Errors
    /// Returns [`Invalid`] naming `password` if it does not have 12 to 128 characters.
    pub fn acceptable(self) -> Result<Self, Invalid> {
        let count = self.0.expose_secret().chars().count();
        if !(PASSWORD_MIN..=PASSWORD_MAX).contains(&count) {
            let message = format!("must have {PASSWORD_MIN} to {PASSWORD_MAX} characters");
            return Err(Invalid::field("password", message));
        }
        Ok(self)
    }

    /// Returns true if the text is longer than any password. Such a text is not hashed.
    pub fn is_too_long(&self) -> bool {
        self.0.expose_secret().chars().count() > PASSWORD_MAX
    }

    /// Returns the bytes to hash.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.expose_secret().as_bytes()
    }
}

impl From<String> for Password {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_counted_in_characters() {
        for (length, is_acceptable) in [(11, false), (12, true), (128, true), (129, false)] {
            let password = Password::from("ä".repeat(length));
            assert_eq!(password.is_too_long(), length > PASSWORD_MAX);
            assert_eq!(password.acceptable().is_ok(), is_acceptable, "{length}");
        }
    }

    #[test]
    fn debug_output_hides_passwords() {
        assert!(!format!("{:?}", Password::from("correct horse".to_owned())).contains("horse"));
    }
}
