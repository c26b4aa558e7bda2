//! Statistics of the practice.

use crate::page::NUMBERED_MAX;
use serde::Serialize;
use utoipa::ToSchema;

/// Maximum of the exact counts, beyond which they stop.
pub const RECENT_MAX: u32 = NUMBERED_MAX + 1;

/// Sizes of the tables of the practice, and what happened in the last 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PracticeStatistics {
    /// Number of clients, estimated by the planner; null if the table was never analyzed.
    pub clients: Option<i64>,
    /// Number of providers, estimated by the planner; null if the table was never analyzed.
    pub providers: Option<i64>,
    /// Number of appointments, estimated by the planner; null if the table was never analyzed.
    pub appointments: Option<i64>,
    /// Number of notes, estimated by the planner; null if the table was never analyzed.
    pub notes: Option<i64>,
    /// Number of entries in the ledger, estimated by the planner; null if the table was never analyzed.
    pub ledger: Option<i64>,
    /// Number of appointments whose planned beginning was in the last 24 hours; counted up to 10,001.
    pub appointments_of_last_day: i64,
    /// Number of notes that were created in the last 24 hours; counted up to 10,001.
    pub notes_of_last_day: i64,
}
