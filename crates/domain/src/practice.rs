//! The practice: its clients, providers, appointments, clinical notes and ledger.

mod appointments;
mod clients;
mod providers;

pub use appointments::{
    APPOINTMENTS_PAGE, Appointment, AppointmentCursor, AppointmentDetails, AppointmentFilter, AppointmentId,
    AppointmentParameters, AppointmentStatus, AppointmentType, CALENDAR_MAX, CalendarEntry,
    CalendarParameters, CalendarRange, Cancellation, Overlap, REMINDERS_MAX, ReminderParameters,
    StatusChange,
};
pub use clients::{
    BirthDate, CLIENTS_PAGE, Client, ClientCursor, ClientDetails, ClientFilter, ClientId, ClientParameters,
    ClientSearch, ClientSummary,
};
pub use providers::{
    NpiNumber, PROVIDERS_PAGE, Provider, ProviderCursor, ProviderDetails, ProviderFilter, ProviderId,
    ProviderParameters,
};
