//! The chapters of ICD-10-CM and how much is in each.

use crate::terminology::IcdCode;

/// One chapter, added up when its release was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChapterTotals {
    /// Its number, from 1.
    pub number: i16,
    /// Its title, the range of its categories at the end.
    pub title: String,
    /// The first of its codes, in code order.
    pub first_code: IcdCode,
    /// The last of its codes, in code order.
    pub last_code: IcdCode,
    /// Its codes.
    pub total_codes: i32,
    /// Of those, the ones in use.
    pub active_codes: i32,
    /// Of those in use, the ones that may stand on a bill.
    pub billable_codes: i32,
}
