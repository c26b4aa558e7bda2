//! Product keys as JSON. The names of a key's fields are PIDKey.com's.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;
use steadfast_domain::keys::{
    Filter, KeyStatus, Position, ProductKey, ProductPosition, ProductSummary, RejectedLine, StoredKey,
};
use steadfast_domain::{Checks, Invalid};
use steadfast_services::keys::{self as services, KeyResult};
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};
use utoipa::{IntoParams, ToSchema};

/// The product of a key that PIDKey.com does not know.
const UNKNOWN: &str = "UNKNOWN";

/// A key that is not blocked, in the upstream's numbers.
const NOT_BLOCKED: i32 = -1;

/// A blocked key, in the upstream's numbers.
const BLOCKED: i32 = 1;

/// Keys to check.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckRequest {
    /// At most 50 keys as pasted: one a line, or separated by commas or spaces, with or without dashes, any case.
    #[schema(min_length = 1, example = "6NRGD-KHFCF-Y4TF7-PRWFD-YBF3H")]
    pub(super) keys: String,
}

/// Which keys to find, and which page of them.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct SearchParameters {
    /// Part of the product code, any case; taken literally.
    #[param(max_length = 255)]
    product: Option<String>,
    /// At least so many activations left.
    #[param(maximum = 2147483647)]
    min_remaining: Option<u64>,
    /// At most so many activations left.
    #[param(maximum = 2147483647)]
    max_remaining: Option<u64>,
    /// 1 for blocked keys, -1 for the others.
    #[param(schema_with = blocked_schema)]
    blocked: Option<i64>,
    /// Number of the page, from 1. Numbered pages end at item 10,000.
    #[param(minimum = 1)]
    page: Option<u64>,
    /// Keys on a page, 50 unless given. Also taken as `page_size` or `limit`.
    #[serde(alias = "page_size", alias = "limit")]
    #[param(minimum = 1, maximum = 100)]
    per_page: Option<u64>,
    /// Where the page before ended: its `pagination.next_cursor`. Costs the same at any depth.
    #[param(min_length = 1, pattern = "^[A-Za-z0-9_-]+$")]
    cursor: Option<String>,
}

/// Only these two, which no type of the language says.
fn blocked_schema() -> Object {
    ObjectBuilder::new().schema_type(Type::Integer).enum_values(Some([BLOCKED, NOT_BLOCKED])).build()
}

impl SearchParameters {
    /// What to search for and where to begin.
    ///
    /// # Errors
    /// [`Invalid`] naming every wrong parameter.
    pub(super) fn parse(&self) -> Result<(Filter, Position), Invalid> {
        let mut checks = Checks::default();
        let product = self.product.as_deref();
        let filter = Filter::new(product, self.min_remaining, self.max_remaining, self.blocked);
        let position = Position::new(self.page, self.per_page, self.cursor.as_deref());
        match (checks.keep(filter), checks.keep(position)) {
            (Some(filter), Some(position)) => Ok((filter, position)),
            _ => Err(checks.refused()),
        }
    }
}

/// Which page of the products.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ProductParameters {
    /// Number of the page, from 1. Numbered pages end at item 10,000.
    #[param(minimum = 1)]
    page: Option<u64>,
    /// Products on a page, 100 unless given. Also taken as `page_size` or `limit`.
    #[serde(alias = "page_size", alias = "limit")]
    #[param(minimum = 1, maximum = 1000)]
    per_page: Option<u64>,
    /// Where the page before ended: its `pagination.next_cursor`. Costs the same at any depth.
    #[param(min_length = 1, pattern = "^[A-Za-z0-9_-]+$")]
    cursor: Option<String>,
}

impl ProductParameters {
    /// Reads where to begin.
    ///
    /// # Errors
    /// Returns [`Invalid`] naming every wrong parameter.
    pub(super) fn parse(&self) -> Result<ProductPosition, Invalid> {
        ProductPosition::new(self.page, self.per_page, self.cursor.as_deref())
    }
}

/// A product key and what is known of it.
#[derive(Serialize, ToSchema)]
#[schema(as = ProductKey)]
pub(super) struct Key {
    /// Row id; null for what is not stored.
    id: Option<i64>,
    /// 25 letters and digits.
    keyname: String,
    /// The same in five groups.
    keyname_with_dash: String,
    /// Product code, `UNKNOWN` where there is none.
    prd: String,
    /// Extended product id.
    eid: Option<String>,
    /// Type of the key.
    is_key_type: Option<String>,
    /// 1 retail, 2 volume.
    is_retail: Option<i32>,
    /// Sub type.
    sub: Option<String>,
    /// Activations left; -1 when not applicable or not known.
    remaining: i32,
    /// 1 blocked, -1 not blocked.
    blocked: i32,
    /// PIDKey.com's code for the state of the key.
    errorcode: Option<String>,
    /// 1 when something went wrong at PIDKey.com.
    had_occurred: Option<i32>,
    /// 1 when PIDKey.com holds the key for invalid.
    invalid: Option<i32>,
    /// When PIDKey.com checked it, in its words.
    datetime_checked_done: Option<String>,
    /// When it was first stored; null for what is not stored.
    created_at: Option<DateTime<Utc>>,
    /// When it was last checked again.
    updated_at: Option<DateTime<Utc>>,
}

impl From<StoredKey> for Key {
    fn from(stored: StoredKey) -> Self {
        let StoredKey { id, status, created_at, updated_at } = stored;
        let KeyStatus {
            key,
            product,
            extended_pid,
            key_type,
            is_retail,
            sub_type,
            remaining,
            blocked,
            error_code,
            had_occurred,
            invalid,
            checked_text,
            checked_at: _,
        } = status;
        Self {
            id: Some(id),
            keyname: key.as_str().to_owned(),
            keyname_with_dash: key.dashed(),
            prd: product,
            eid: extended_pid,
            is_key_type: key_type,
            is_retail,
            sub: sub_type,
            remaining,
            blocked: if blocked { BLOCKED } else { NOT_BLOCKED },
            errorcode: error_code,
            had_occurred,
            invalid,
            datetime_checked_done: checked_text,
            created_at: Some(created_at),
            updated_at,
        }
    }
}

impl Key {
    /// What is not stored: only its text is known.
    fn unknown(keyname: String, keyname_with_dash: String) -> Self {
        Self {
            id: None,
            keyname,
            keyname_with_dash,
            prd: UNKNOWN.to_owned(),
            eid: None,
            is_key_type: None,
            is_retail: None,
            sub: None,
            remaining: 0,
            blocked: NOT_BLOCKED,
            errorcode: None,
            had_occurred: None,
            invalid: None,
            datetime_checked_done: None,
            created_at: None,
            updated_at: None,
        }
    }
}

/// What became of a key that was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum CheckStatus {
    /// Stored for the first time.
    New,
    /// Was stored before, and is up to date now.
    Updated,
    /// Not stored; see `error`.
    Error,
}

/// A pasted key after its check.
#[derive(Serialize, ToSchema)]
struct CheckResult {
    #[serde(flatten)]
    key: Key,
    /// What became of it.
    status: CheckStatus,
    /// Why it was not stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl From<KeyResult> for CheckResult {
    fn from(result: KeyResult) -> Self {
        match result {
            KeyResult::Stored(upserted) => {
                let status = if upserted.is_new { CheckStatus::New } else { CheckStatus::Updated };
                Self { key: upserted.stored.into(), status, error: None }
            }
            KeyResult::Unknown(key) => Self::without_status(&key, "PIDKey.com does not know this key"),
            KeyResult::Unanswered(key) => {
                Self::without_status(&key, "PIDKey.com did not answer for this key")
            }
            KeyResult::Rejected(line) => Self::rejected(line),
        }
    }
}

impl CheckResult {
    fn without_status(key: &ProductKey, error: &str) -> Self {
        let key = Key::unknown(key.as_str().to_owned(), key.dashed());
        Self { key, status: CheckStatus::Error, error: Some(error.to_owned()) }
    }

    fn rejected(rejected: RejectedLine) -> Self {
        let RejectedLine { line, text } = rejected;
        let key = Key::unknown(text.clone(), text);
        let error = format!("line {line} is not a product key");
        Self { key, status: CheckStatus::Error, error: Some(error) }
    }
}

/// A check, counted.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(super) struct CheckSummary {
    /// Keys, and lines that hold none.
    total_keys: usize,
    /// Keys that were stored for the first time.
    new_keys: usize,
    /// Keys that were stored before.
    updated_keys: usize,
    /// Keys and lines that were not stored.
    errors: usize,
}

impl fmt::Display for CheckSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count| if count == 1 { "" } else { "s" };
        let Self { total_keys, new_keys, updated_keys, errors } = *self;
        write!(f, "{total_keys} key{} checked: ", plural(total_keys))?;
        write!(f, "{new_keys} new, {updated_keys} updated, {errors} error{}", plural(errors))
    }
}

/// A check: what became of each key and line.
#[derive(Serialize, ToSchema)]
#[schema(as = CheckedKeys)]
pub(super) struct Checked {
    pub(super) summary: CheckSummary,
    results: Vec<CheckResult>,
}

impl From<services::Checked> for Checked {
    fn from(checked: services::Checked) -> Self {
        let services::Summary { total, new, updated, errors } = checked.summary;
        let summary = CheckSummary { total_keys: total, new_keys: new, updated_keys: updated, errors };
        Self { summary, results: checked.results.into_iter().map(CheckResult::from).collect() }
    }
}

/// What the stored keys of one product add up to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Product {
    /// Product code.
    prd: String,
    /// Stored keys.
    key_count: i64,
    /// Activations left on all keys whose number is known.
    total_remaining: i64,
    /// Activations left per such key, rounded to two decimals.
    avg_remaining: f64,
    /// Whether fewer than five activations are left in all.
    low_inventory: bool,
}

impl From<ProductSummary> for Product {
    fn from(summary: ProductSummary) -> Self {
        Self {
            low_inventory: summary.low_inventory(),
            prd: summary.product,
            key_count: summary.key_count,
            total_remaining: summary.total_remaining,
            avg_remaining: (summary.avg_remaining * 100.0).round() / 100.0,
        }
    }
}

/// A page of the products.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Products {
    products: Vec<Product>,
}

impl From<Vec<ProductSummary>> for Products {
    fn from(summaries: Vec<ProductSummary>) -> Self {
        Self { products: summaries.into_iter().map(Product::from).collect() }
    }
}

#[cfg(test)]
mod tests;
