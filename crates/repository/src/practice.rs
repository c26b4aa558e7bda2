//! The practice.

#[cfg(feature = "cases")]
pub(crate) mod cases;
mod client_search;
pub(crate) mod clients;
#[cfg(feature = "cases")]
pub(crate) mod seed;

pub use clients::{
    CLIENT, CLIENTS, CREATE_CLIENT, LOOK_UP_CLIENTS, SEARCH_CLIENTS, UPDATE_CLIENT, client, clients,
    create_client, update_client,
};
