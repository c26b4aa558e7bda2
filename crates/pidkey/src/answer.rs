//! What a check says of a key.

use crate::ProductKey;
use chrono::{DateTime, Utc};

/// What PIDKey.com says of one asked key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checked {
    /// It belongs to a product.
    Known(KeyStatus),
    /// PIDKey.com names no product for it. That is not the same as an invalid key.
    Unknown {
        /// The asked key.
        key: ProductKey,
    },
    /// PIDKey.com left it out of the answer, so nothing was learnt of it.
    Unanswered {
        /// The asked key.
        key: ProductKey,
    },
}

impl Checked {
    /// The key that was asked for.
    pub fn key(&self) -> ProductKey {
        match self {
            Self::Known(status) => status.key,
            Self::Unknown { key } | Self::Unanswered { key } => *key,
        }
    }
}

/// The state of a known key. No text is longer than 255 characters or holds a NUL byte, whatever was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyStatus {
    /// The key.
    pub key: ProductKey,
    /// The product's code (`prd`), `Office16_ProPlusVL_MAK` for one; never empty.
    pub product: String,
    /// The extended product id (`eid`).
    pub extended_pid: Option<String>,
    /// The key type (`is_key_type`), at most 50 characters.
    pub key_type: Option<String>,
    /// 1 retail, 2 volume (`is_retail`); other numbers are seen.
    pub is_retail: Option<i32>,
    /// The sub type (`sub`), `X21-74564` for one.
    pub sub_type: Option<String>,
    /// Activations left; -1 where there is nothing to count, or nothing was said.
    pub remaining: i32,
    /// Whether Microsoft blocked it.
    pub blocked: bool,
    /// `Online Key`, `0xC004C060` and the like (`errorcode`), in the letter case that was sent.
    pub error_code: Option<String>,
    /// `had_occurred`, where it was said.
    pub had_occurred: Option<bool>,
    /// Whether Microsoft takes it for a forgery, where it was said.
    pub invalid: Option<bool>,
    /// When PIDKey.com looked (`datetime_checked_done`), as it wrote it: `1/12/2026 1:48:27 PM (GMT+7)`.
    pub checked_text: Option<String>,
    /// The same moment, where the text could be read; it names its offset.
    pub checked_at: Option<DateTime<Utc>>,
}
