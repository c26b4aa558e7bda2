//! Callers and their credentials.

pub(crate) mod api_keys;
mod callers;
#[cfg(feature = "cases")]
pub(crate) mod cases;
#[cfg(feature = "cases")]
pub(crate) mod seed;
pub(crate) mod sessions;
pub(crate) mod users;

pub use api_keys::{
    API_KEY, API_KEYS, CREATE_API_KEY, FIND_CALLER, REVOKE_API_KEY, TOUCH_API_KEY, UPDATE_API_KEY, api_key,
    api_keys, create_api_key, revoke_api_key, touch_api_key, update_api_key,
};
pub use callers::{Found, find_caller};
pub use sessions::{
    Account, BEGIN_LOGIN, CREATE_SESSION, EXPIRE_LOGIN_ATTEMPTS, EXPIRE_REVOKED_SESSIONS, EXPIRE_SESSIONS,
    FIND_SESSION, LoginAttempt, REFUSE_LOGIN, REHASH_PASSWORD, REVOKE_SESSION, REVOKE_SESSIONS, SESSIONS,
    TOUCH_SESSION, begin_login, create_session, expire_login_attempts, expire_revoked_sessions,
    expire_sessions, refuse_login, rehash_password, revoke_session, revoke_sessions, sessions, touch_session,
};
pub use users::{
    CREATE_USER, DEACTIVATE_USER, SET_PASSWORD, UPDATE_USER, USER, USERS, create_user, deactivate_user,
    set_password, update_user, user, users,
};

use chrono::TimeDelta;

/// Time for which the recorded use of a credential is not updated.
const RECORDED_EVERY: TimeDelta = TimeDelta::minutes(1);
