//! The practice: its clients, providers, appointments, clinical notes and ledger.

mod clients;
mod finances;
mod ledger;
mod providers;

pub use clients::{
    BirthDate, CLIENTS_PAGE, Client, ClientCursor, ClientDetails, ClientFilter, ClientId, ClientParameters,
    ClientSearch, ClientSummary,
};
pub use finances::{
    ClientBalance, DailyRevenue, FinancialDashboard, FinancialSummary, HIGHEST_BALANCES, NO_DOLLARS,
    OutstandingBalance, REVENUE_DAYS_MAX, RevenueDays, RevenueParameters,
};
pub use ledger::{
    LEDGER_PAGE, LedgerCursor, LedgerDetails, LedgerEntry, LedgerEntryId, LedgerFilter, LedgerParameters,
    PaymentMethod, ServiceDate, TransactionType,
};
pub use providers::{
    NpiNumber, PROVIDERS_PAGE, Provider, ProviderCursor, ProviderDetails, ProviderFilter, ProviderId,
    ProviderParameters,
};
