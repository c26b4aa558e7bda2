//! The practice.

mod appointments;
#[cfg(feature = "cases")]
pub(crate) mod cases;
mod client_search;
pub(crate) mod clients;
mod providers;
#[cfg(feature = "cases")]
pub(crate) mod seed;

pub use appointments::{
    APPOINTMENT, APPOINTMENTS, CALENDAR, CHANGE_STATUS, CREATE_APPOINTMENT, FIND_OVERLAP, RECORD_REMINDER,
    REMINDERS, UPDATE_APPOINTMENT, appointment, appointments, calendar, change_status, create_appointment,
    overlap, record_reminder, reminders, update_appointment,
};
pub use clients::{
    CLIENT, CLIENTS, CREATE_CLIENT, LOOK_UP_CLIENTS, SEARCH_CLIENTS, UPDATE_CLIENT, client, clients,
    create_client, update_client,
};
pub use providers::{
    CREATE_PROVIDER, PROVIDER, PROVIDERS, UPDATE_PROVIDER, create_provider, provider, providers,
    update_provider,
};
