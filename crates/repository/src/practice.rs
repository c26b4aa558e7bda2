//! The practice.

mod appointments;
#[cfg(feature = "cases")]
pub(crate) mod cases;
mod client_search;
pub(crate) mod clients;
mod finances;
mod ledger;
mod notes;
mod providers;
#[cfg(feature = "cases")]
pub(crate) mod seed;
mod statistics;

pub use appointments::{
    APPOINTMENT, APPOINTMENTS, CALENDAR, CHANGE_STATUS, CREATE_APPOINTMENT, FIND_OVERLAP, RECORD_REMINDER,
    REMINDERS, UPDATE_APPOINTMENT, appointment, appointments, calendar, change_status, create_appointment,
    overlap, record_reminder, reminders, update_appointment,
};
pub use clients::{
    CLIENT, CLIENTS, CREATE_CLIENT, LOOK_UP_CLIENTS, SEARCH_CLIENTS, UPDATE_CLIENT, client, clients,
    create_client, update_client,
};
pub use finances::{
    CLIENT_BALANCE, FINANCIAL_DASHBOARD, FINANCIAL_SUMMARY, REVENUE, client_balance, financial_dashboard,
    financial_summary, revenue,
};
pub use ledger::{
    CREATE_LEDGER_ENTRY, DELETE_LEDGER_ENTRY, LEDGER, LEDGER_ENTRY, LEDGER_OF_CLIENT, POST_LEDGER_ENTRY,
    RECONCILE_LEDGER_ENTRY, UPDATE_LEDGER_ENTRY, create_ledger_entry, delete_ledger_entry, ledger,
    ledger_entry, post_ledger_entry, reconcile_ledger_entry, update_ledger_entry,
};
pub use notes::{
    ADVANCE_NOTE, CREATE_NOTE, DELETE_NOTE, NOTE, NOTES, UPDATE_NOTE, advance_note, create_note, delete_note,
    note, notes, update_note,
};
pub use providers::{
    CREATE_PROVIDER, PROVIDER, PROVIDERS, UPDATE_PROVIDER, create_provider, provider, providers,
    update_provider,
};
pub use statistics::{PRACTICE_STATISTICS, practice_statistics};
