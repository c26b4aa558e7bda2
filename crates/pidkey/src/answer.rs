//! Results of a check.

use crate::ProductKey;
use chrono::{DateTime, Utc};

/// Result for a requested key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checked {
    /// The key belongs to a product.
    Known(KeyStatus),
    /// PIDKey.com knows no product for the key, which may be valid nevertheless.
    Unknown {
        /// The requested key.
        key: ProductKey,
    },
    /// The response does not mention the key, so its state is unknown.
    Unanswered {
        /// The requested key.
        key: ProductKey,
    },
}

impl Checked {
    /// Returns the requested key.
    pub fn key(&self) -> ProductKey {
        match self {
            Self::Known(status) => status.key,
            Self::Unknown { key } | Self::Unanswered { key } => *key,
        }
    }
}

/// State of a known key. Texts have at most 255 characters and no NUL bytes, whatever the service sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyStatus {
    /// Product key.
    pub key: ProductKey,
    /// Product code (`prd`), such as `Office16_ProPlusVL_MAK`; never empty.
    pub product: String,
    /// Extended product id (`eid`).
    pub extended_pid: Option<String>,
    /// Key type (`is_key_type`), at most 50 characters.
    pub key_type: Option<String>,
    /// Sales channel (`is_retail`): 1 retail, 2 volume; other numbers occur.
    pub is_retail: Option<i32>,
    /// Sub type (`sub`), such as `X21-74564`.
    pub sub_type: Option<String>,
    /// Activations left; -1 if not applicable or missing.
    pub remaining: i32,
    /// True if Microsoft blocked the key.
    pub blocked: bool,
    /// Error code (`errorcode`), such as `Online Key` or `0xC004C060`, in its original letter case.
    pub error_code: Option<String>,
    /// Value of `had_occurred`; `None` if missing.
    pub had_occurred: Option<bool>,
    /// True if Microsoft considers the key a forgery; `None` if missing.
    pub invalid: Option<bool>,
    /// Time of the check (`datetime_checked_done`) as text, such as `1/12/2026 1:48:27 PM (GMT+7)`.
    pub checked_text: Option<String>,
    /// Time of the check; `None` if the text is malformed.
    pub checked_at: Option<DateTime<Utc>>,
}
