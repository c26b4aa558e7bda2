//! Callers and their credentials.

pub(crate) mod api_keys;
#[cfg(feature = "cases")]
pub(crate) mod cases;
#[cfg(feature = "cases")]
pub(crate) mod seed;

pub use api_keys::{
    API_KEY, API_KEYS, CREATE_API_KEY, FIND_CALLER, REVOKE_API_KEY, UPDATE_API_KEY, api_key, api_keys,
    create_api_key, find_caller, revoke_api_key, update_api_key,
};
