//! Checks of pasted keys at PIDKey.com.

use super::WRITE;
use super::search::{Key, NOT_BLOCKED};
use crate::prelude::*;
use axum::Extension;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use steadfast_domain::keys::{Pasted, ProductKey, RejectedLine};
use steadfast_resilience::Deadline;
use steadfast_services::keys::{self as services, Checker, KeyResult};

/// Product of a key that PIDKey.com does not know.
const UNKNOWN: &str = "UNKNOWN";

/// Deadline of a check: three attempts at PIDKey.com of 30 s each, with the pauses in between.
const CHECK_LIMIT: Duration = Duration::from_secs(110);

/// Error codes if PIDKey.com fails.
const UPSTREAM_CODES: [Code; 6] = [
    Code::UpstreamRateLimited,
    Code::UpstreamConfig,
    Code::UpstreamError,
    Code::UpstreamTimeout,
    Code::UpstreamUnreachable,
    Code::UpstreamOpen,
];

pub(super) fn route() -> Route<AppState> {
    Route::post("/api/pidms/check", WRITE, check)
        .summary("Check pasted product keys at PIDKey.com and store their status")
        .within(CHECK_LIMIT)
        .takes::<CheckRequest>()
        .answers::<Checked>()
        .codes(&UPSTREAM_CODES)
}

async fn check(
    State(store): State<Store>,
    State(checker): State<Arc<Checker>>,
    Extension(deadline): Extension<Deadline>,
    Json(request): Json<CheckRequest>,
) -> ApiResult<Checked> {
    let pasted = Pasted::parse(&request.keys)?;
    let checked = Checked::from(checker.check(&store, &pasted, deadline.remaining()).await?);
    let message = checked.summary.to_string();
    Ok(Envelope::new(checked, message))
}

/// Keys to check.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CheckRequest {
    /// Up to 50 keys, one per line or separated by commas or spaces, with or without dashes, in any case.
    #[schema(pattern = "([A-Za-z0-9][ -]*){25}", example = "6NRGD-KHFCF-Y4TF7-PRWFD-YBF3H")]
    keys: String,
}

/// Outcome of the check of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum CheckStatus {
    /// Stored for the first time.
    New,
    /// Stored before, and updated now.
    Updated,
    /// Not stored; see `error`.
    Error,
}

/// A pasted key after its check.
#[derive(Serialize, ToSchema)]
struct CheckResult {
    #[serde(flatten)]
    key: Key,
    /// Outcome.
    status: CheckStatus,
    /// Reason why the key was not stored.
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
        let key = unknown(key.as_str().to_owned(), key.dashed());
        Self { key, status: CheckStatus::Error, error: Some(error.to_owned()) }
    }

    fn rejected(rejected: RejectedLine) -> Self {
        let RejectedLine { line, text } = rejected;
        let key = unknown(text.clone(), text);
        let error = format!("line {line} is not a product key");
        Self { key, status: CheckStatus::Error, error: Some(error) }
    }
}

/// Returns a key that is not stored, of which only the text is known.
fn unknown(keyname: String, keyname_with_dash: String) -> Key {
    Key { keyname, keyname_with_dash, prd: UNKNOWN.to_owned(), blocked: NOT_BLOCKED, ..Key::default() }
}

/// Counts of a check.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
struct CheckSummary {
    /// Number of keys and of lines without a key.
    total_keys: usize,
    /// Number of keys that were stored for the first time.
    new_keys: usize,
    /// Number of keys that were stored before.
    updated_keys: usize,
    /// Number of keys and lines that were not stored.
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

/// Result of a check.
#[derive(Serialize, ToSchema)]
#[schema(as = CheckedKeys)]
struct Checked {
    summary: CheckSummary,
    results: Vec<CheckResult>,
}

impl From<services::Checked> for Checked {
    fn from(checked: services::Checked) -> Self {
        let services::Summary { total, new, updated, errors } = checked.summary;
        let summary = CheckSummary { total_keys: total, new_keys: new, updated_keys: updated, errors };
        Self { summary, results: checked.results.into_iter().map(CheckResult::from).collect() }
    }
}

#[cfg(test)]
mod tests;
