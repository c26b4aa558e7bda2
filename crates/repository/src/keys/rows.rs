//! Rows of product keys as they come from the database, and their way into the domain.

use crate::Error;
use chrono::{DateTime, Utc};
use steadfast_domain::keys::{KeyStatus, ProductKey, ProductSummary, StoredKey, Upserted};
use steadfast_postgres::diesel::{self, QueryableByName};
use steadfast_schema::schema::pidms_keys;

/// One stored key. Not `Debug`: that would show the whole key.
#[derive(QueryableByName)]
#[diesel(table_name = pidms_keys)]
pub(super) struct KeyRow {
    id: i64,
    keyname: String,
    prd: String,
    eid: Option<String>,
    is_key_type: Option<String>,
    is_retail: Option<i32>,
    sub: Option<String>,
    remaining: i32,
    blocked: i32,
    errorcode: Option<String>,
    had_occurred: Option<i32>,
    invalid: Option<i32>,
    datetime_checked_done: Option<String>,
    checked_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: Option<DateTime<Utc>>,
}

impl KeyRow {
    /// The key in the domain's terms.
    pub(super) fn parse(self) -> Result<StoredKey, Error> {
        let key = ProductKey::parse(&self.keyname)
            .ok_or_else(|| Error::Query { cause: format!("pidms_keys {}: keyname is no key", self.id) })?;
        let status = KeyStatus {
            key,
            product: self.prd,
            extended_pid: self.eid,
            key_type: self.is_key_type,
            is_retail: self.is_retail,
            sub_type: self.sub,
            remaining: self.remaining,
            blocked: self.blocked == 1,
            error_code: self.errorcode,
            had_occurred: self.had_occurred,
            invalid: self.invalid,
            checked_text: self.datetime_checked_done,
            checked_at: self.checked_at,
        };
        Ok(StoredKey { id: self.id, status, created_at: self.created_at, updated_at: self.updated_at })
    }
}

/// One key as the upsert left it.
#[derive(QueryableByName)]
pub(super) struct UpsertedRow {
    #[diesel(embed)]
    key: KeyRow,
    #[diesel(sql_type = diesel::sql_types::Bool)]
    is_new: bool,
}

impl UpsertedRow {
    /// The outcome in the domain's terms.
    pub(super) fn parse(self) -> Result<Upserted, Error> {
        Ok(Upserted { stored: self.key.parse()?, is_new: self.is_new })
    }
}

/// A bounded count.
#[derive(Debug, QueryableByName)]
pub(super) struct CountRow {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    pub(super) matches: i64,
}

/// What the keys of one product add up to.
#[derive(Debug, QueryableByName)]
pub(super) struct ProductRow {
    #[diesel(sql_type = diesel::sql_types::Text)]
    prd: String,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    key_count: i64,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    total_remaining: i64,
    #[diesel(sql_type = diesel::sql_types::Double)]
    avg_remaining: f64,
}

impl ProductRow {
    /// The sums in the domain's terms.
    pub(super) fn parse(self) -> ProductSummary {
        ProductSummary {
            product: self.prd,
            key_count: self.key_count,
            total_remaining: self.total_remaining,
            avg_remaining: self.avg_remaining,
        }
    }
}
