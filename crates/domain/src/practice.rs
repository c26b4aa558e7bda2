//! The practice: its clients, providers, appointments, clinical notes and ledger.

mod clients;

pub use clients::{
    BirthDate, CLIENTS_PAGE, Client, ClientCursor, ClientDetails, ClientFilter, ClientId, ClientParameters,
    ClientSearch, ClientSummary,
};
