//! Chapters of ICD-10-CM.

use crate::terminology::IcdCode;
use serde::Serialize;
use utoipa::ToSchema;

/// A chapter with its counts, which the import of its release computed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Chapter)]
pub struct ChapterTotals {
    /// Number of the chapter, from 1.
    pub number: i16,
    /// Title, which ends with the range of categories.
    pub title: String,
    /// First code, in code order.
    pub first_code: IcdCode,
    /// Last code, in code order.
    pub last_code: IcdCode,
    /// Number of codes.
    pub total_codes: i32,
    /// Number of codes in use.
    pub active_codes: i32,
    /// Number of codes in use that are valid for billing.
    pub billable_codes: i32,
}
