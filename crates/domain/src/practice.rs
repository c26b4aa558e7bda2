//! The practice: its clients, providers, appointments, clinical notes and ledger.

mod appointments;
mod clients;
mod diagnoses;
mod finances;
mod ledger;
mod notes;
mod providers;
mod statistics;

pub use appointments::{
    APPOINTMENTS_PAGE, Appointment, AppointmentCursor, AppointmentDetails, AppointmentFilter, AppointmentId,
    AppointmentParameters, AppointmentStatus, AppointmentType, CALENDAR_MAX, CalendarEntry,
    CalendarParameters, CalendarRange, Cancellation, Overlap, REMINDERS_MAX, ReminderParameters,
    StatusChange,
};
pub use clients::{
    BirthDate, CLIENTS_PAGE, Client, ClientCursor, ClientDetails, ClientFilter, ClientId, ClientInclusion,
    ClientParameters, ClientRecord, ClientSearch, ClientStats, ClientSummary, ListedClient, RELATED_MAX,
};
pub use diagnoses::DiagnosisCode;
pub use finances::{
    ClientBalance, DailyRevenue, FinancialDashboard, FinancialSummary, HIGHEST_BALANCES, NO_DOLLARS,
    OutstandingBalance, REVENUE_DAYS_MAX, RevenueDays, RevenueParameters,
};
pub use ledger::{
    LEDGER_PAGE, LedgerCursor, LedgerDetails, LedgerEntry, LedgerEntryId, LedgerFilter, LedgerParameters,
    PaymentMethod, ServiceDate, TransactionType,
};
pub use notes::{
    NOTES_PAGE, Note, NoteCursor, NoteDetails, NoteFilter, NoteId, NoteStep, NoteSummary, NoteType,
};
pub use providers::{
    NpiNumber, PROVIDERS_PAGE, Provider, ProviderCursor, ProviderDetails, ProviderFilter, ProviderId,
    ProviderParameters,
};
pub use statistics::{PracticeStatistics, RECENT_MAX};
