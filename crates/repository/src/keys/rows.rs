//! The row of a stored key.

use crate::prelude::*;
use steadfast_domain::keys::{KeyStatus, ProductKey, StoredKey};
use steadfast_schema::schema::pidms_keys;

/// Columns of [`KeyRow`], for statements that are written by hand.
pub(super) const COLUMNS: &str = "id, keyname, prd, eid, is_key_type, is_retail, sub, remaining, blocked, errorcode, \
    had_occurred, invalid, datetime_checked_done, checked_at, created_at, updated_at";

row! {
    /// A stored key. Does not implement `Debug`, which would reveal the key.
    KeyRow of pidms_keys for StoredKey {
        id: i64,
        #[diesel(embed)]
        status: StatusRow,
        created_at: DateTime<Utc>,
        updated_at: Option<DateTime<Utc>>,
    }
}

row! {
    /// The columns that PIDKey.com fills.
    StatusRow of pidms_keys for KeyStatus {
        #[diesel(column_name = keyname)]
        key: String,
        #[diesel(column_name = prd)]
        product: String,
        #[diesel(column_name = eid)]
        extended_pid: Option<String>,
        #[diesel(column_name = is_key_type)]
        key_type: Option<String>,
        is_retail: Option<i32>,
        #[diesel(column_name = sub)]
        sub_type: Option<String>,
        remaining: i32,
        blocked: i32,
        #[diesel(column_name = errorcode)]
        error_code: Option<String>,
        had_occurred: Option<i32>,
        invalid: Option<i32>,
        #[diesel(column_name = datetime_checked_done)]
        checked_text: Option<String>,
        checked_at: Option<DateTime<Utc>>,
    }
}

impl Parse<ProductKey> for String {
    fn parse(self, column: &'static str) -> Result<ProductKey, Error> {
        ProductKey::parse(&self).ok_or_else(|| invalid(column))
    }
}

impl Parse<bool> for i32 {
    fn parse(self, _: &'static str) -> Result<bool, Error> {
        Ok(self == 1)
    }
}
