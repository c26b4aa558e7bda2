//! Logins with a password.

use super::passwords::{Passwords, Unhashed, Verdict};
use secrecy::SecretString;
use std::time::Duration;
use steadfast_domain::audit::Origin;
use steadfast_domain::identity::{Caller, LoginName, NewSession, Password, Session, SessionLimits, User};
use steadfast_domain::version::Expected;
use steadfast_repository::identity::{
    Account, LoginAttempt, begin_login, create_session, refuse_login, rehash_password, set_password,
};
use steadfast_repository::{Error, Store};

/// Logs users in and sets their passwords. Clones share the limits.
#[derive(Clone, Debug)]
pub struct Logins {
    store: Store,
    passwords: Passwords,
    limits: SessionLimits,
}

/// Session that a user got by logging in.
#[derive(Debug)]
pub struct LoggedIn {
    /// Token of the session. It is not stored and cannot be recovered.
    pub token: SecretString,
    /// The session.
    pub session: Session,
}

/// Error of a login or of a new password.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The address or the password is wrong.
    #[error("the address or the password is wrong")]
    Refused,
    /// There were too many attempts with this address.
    #[error("too many attempts")]
    Locked {
        /// Time after which the next attempt may be made.
        retry_after: Duration,
    },
    /// Too many passwords are being verified.
    #[error("too many passwords are being verified")]
    Busy,
    /// The password could not be hashed, which is a defect.
    #[error("{0}")]
    Fault(String),
    /// The database refused or failed.
    #[error(transparent)]
    Repository(#[from] Error),
}

impl From<Unhashed> for LoginError {
    fn from(unhashed: Unhashed) -> Self {
        match unhashed {
            Unhashed::Busy => Self::Busy,
            Unhashed::Fault(cause) => Self::Fault(cause),
        }
    }
}

impl Logins {
    /// Creates logins to sessions with `limits`.
    pub fn new(store: Store, limits: SessionLimits) -> Self {
        Self { store, passwords: Passwords::default(), limits }
    }

    /// Returns the limits of sessions.
    pub const fn limits(&self) -> SessionLimits {
        self.limits
    }

    /// Creates a session of the user with the address `login`. Every attempt is added to the audit trail.
    ///
    /// An address that no user has takes the same time as a wrong password, and its attempts are counted too, so that
    /// the answers do not tell which users exist.
    ///
    /// # Errors
    /// Returns [`LoginError::Refused`] if the address or the password is wrong or the user is inactive, and
    /// [`LoginError::Locked`] after five attempts without success.
    pub async fn log_in(
        &self,
        origin: &Origin,
        login: &LoginName,
        password: Password,
    ) -> Result<LoggedIn, LoginError> {
        // Before the attempt is counted: a caller who is refused because of others has not made one.
        let place = self.passwords.place()?;
        let account = match begin_login(&self.store, login.as_str()).await? {
            LoginAttempt::Permitted(account) => account,
            LoginAttempt::Locked { retry_after } => {
                refuse_login(&self.store, origin, None, "too many attempts").await?;
                return Err(LoginError::Locked { retry_after });
            }
        };
        let verdict = match password.is_too_long() {
            true => Verdict::Wrong,
            false => {
                let stored = account.as_ref().map(|account| account.password_hash.clone());
                self.passwords.verify(place, password.clone(), stored).await?
            }
        };
        let Some(account) = account.as_ref().filter(|_| verdict != Verdict::Wrong) else {
            let reason = if account.is_some() { "wrong password" } else { "no active user with a password" };
            refuse_login(&self.store, origin, account.map(|account| account.user_id), reason).await?;
            return Err(LoginError::Refused);
        };
        let new = NewSession::generate();
        let token = (&new.hash, self.limits);
        let session = match create_session(&self.store, origin, (login.as_str(), account), token).await {
            // The password was changed during the verification.
            Err(Error::NotFound) => return Err(LoginError::Refused),
            created => created?,
        };
        if verdict == Verdict::Outdated {
            self.rehash(account, password).await;
        }
        Ok(LoggedIn { token: new.token, session })
    }

    /// Replaces the hash of a password by one with the parameters of new ones. A failure is only logged, because the
    /// next login tries again.
    async fn rehash(&self, account: &Account, password: Password) {
        let rehashed = async {
            let hash = self.passwords.hash(password).await?;
            Ok::<_, LoginError>(rehash_password(&self.store, account, &hash).await?)
        };
        if let Err(error) = rehashed.await {
            tracing::warn!(user_id = account.user_id, %error, "the hash of a password was not replaced");
        }
    }

    /// Sets the password of the user `id` and ends the user's sessions.
    ///
    /// # Errors
    /// Returns [`LoginError::Repository`] with [`Error::NotFound`] if there is no such user, with
    /// [`Error::VersionMismatch`] if its version is not `expected`, and with [`Error::Forbidden`] if its roles give scopes
    /// that the caller lacks.
    pub async fn set_password(
        &self,
        (origin, caller): (&Origin, &Caller),
        (id, expected): (i64, Expected),
        password: Password,
    ) -> Result<User, LoginError> {
        let hash = self.passwords.hash(password).await?;
        Ok(set_password(&self.store, (origin, caller), (id, expected), &hash).await?)
    }
}
