//! The practice: its clients, providers, appointments, clinical notes and ledger.

mod clients;
mod providers;

pub use clients::{
    BirthDate, CLIENTS_PAGE, Client, ClientCursor, ClientDetails, ClientFilter, ClientId, ClientParameters,
    ClientSearch, ClientSummary,
};
pub use providers::{
    NpiNumber, PROVIDERS_PAGE, Provider, ProviderCursor, ProviderDetails, ProviderFilter, ProviderId,
    ProviderParameters,
};
