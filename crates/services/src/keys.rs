//! Checks of product keys: one request to PIDKey.com, and one write of the result.

use crate::{Error, Upstream};
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};
use steadfast_domain::keys::{KeyStatus, Pasted, ProductKey, RejectedLine, Upserted};
use steadfast_pidkey as pidkey;
use steadfast_pidkey::resilience::Deadline;
use steadfast_repository::{Store, keys};
use steadfast_resilience::Snapshot;

/// Part of the deadline of a check that is reserved for storing the result.
const STORING: Duration = Duration::from_secs(5);

/// Checks keys against PIDKey.com. Share one instance per process, because it contains the breaker and the rate limit.
#[derive(Debug)]
pub struct Checker {
    client: pidkey::Client,
}

/// Result of a check.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// Results of the keys, in the order of the pasted text, followed by the lines without a key.
    pub results: Vec<KeyResult>,
    /// Number of results by kind.
    pub summary: Summary,
}

/// Number of results by kind. `total` is the sum of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Number of results.
    pub total: usize,
    /// Number of keys that were not stored before.
    pub new: usize,
    /// Number of keys whose stored status was replaced.
    pub updated: usize,
    /// Number of keys that PIDKey.com does not know or did not answer, and of lines without a key.
    pub errors: usize,
}

/// Result of a pasted entry.
#[derive(Clone, Debug, PartialEq)]
pub enum KeyResult {
    /// The status of the key was stored.
    Stored(Box<Upserted>),
    /// PIDKey.com does not know the key. Nothing was stored.
    Unknown(ProductKey),
    /// The response of PIDKey.com lacks the key. Nothing was stored.
    Unanswered(ProductKey),
    /// The line is not a key.
    Rejected(RejectedLine),
}

/// Durations of the parts of a check.
#[derive(Clone, Copy, Debug, Default)]
struct Durations {
    api: Duration,
    database: Duration,
}

impl Checker {
    /// Creates a checker that uses `client`.
    pub fn new(client: pidkey::Client) -> Self {
        Self { client }
    }

    /// Returns the state of the circuit breaker for PIDKey.com.
    pub fn breaker(&self) -> Snapshot {
        self.client.breaker()
    }

    /// Checks all pasted keys in one request to PIDKey.com and stores the result, within `limit`. Repeating the call is
    /// safe.
    ///
    /// # Errors
    /// Returns [`Error::Upstream`] if PIDKey.com failed and nothing was stored, or [`Error::Repository`] if the result
    /// could not be stored.
    pub async fn check(&self, store: &Store, pasted: &Pasted, limit: Duration) -> Result<Checked, Error> {
        let (began, keys_count) = (Instant::now(), pasted.keys().len());
        tracing::info!(operation = "keys.check", keys_count, "key check started");
        let mut durations = Durations::default();
        let outcome = self.ask_and_store(store, pasted, Deadline::after(limit), &mut durations).await;
        let total_duration_ms = milliseconds(began.elapsed());
        let (api_duration_ms, database_duration_ms) =
            (milliseconds(durations.api), milliseconds(durations.database));
        match &outcome {
            Ok(Checked { summary: Summary { new, updated, errors, .. }, .. }) => tracing::info!(
                operation = "keys.check",
                keys_count,
                new,
                updated,
                errors,
                api_duration_ms,
                database_duration_ms,
                total_duration_ms,
                "key check completed"
            ),
            Err(error) => tracing::error!(
                operation = "keys.check",
                keys_count,
                error_type = error.kind(),
                %error,
                api_duration_ms,
                database_duration_ms,
                total_duration_ms,
                "key check failed"
            ),
        }
        outcome
    }

    async fn ask_and_store(
        &self,
        store: &Store,
        pasted: &Pasted,
        deadline: Deadline,
        durations: &mut Durations,
    ) -> Result<Checked, Error> {
        let asked: Result<Vec<_>, _> =
            pasted.keys().iter().map(|key| pidkey::ProductKey::parse(key.as_str())).collect();
        // A check may cost an activation, so the database must be available to store the result.
        store.within(deadline).ping().await?;
        let began = Instant::now();
        let answer = self.client.check(&asked.map_err(Upstream::from)?, deadline.earlier_by(STORING)).await;
        durations.api = began.elapsed();
        let answer = answer.map_err(Upstream::from)?;
        let known: Vec<KeyStatus> = answer.iter().filter_map(known).collect();
        let began = Instant::now();
        // Avoids a transaction if there is nothing to store.
        let upserted = if known.is_empty() {
            Ok(Vec::new())
        } else {
            keys::upsert(&store.within(deadline), &known).await
        };
        durations.database = began.elapsed();
        Ok(Checked::new(pasted, &answer, upserted?))
    }
}

impl Checked {
    fn new(pasted: &Pasted, answer: &[pidkey::Checked], upserted: Vec<Upserted>) -> Self {
        let left_out = |checked: &&pidkey::Checked| matches!(checked, pidkey::Checked::Unanswered { .. });
        let unanswered: HashSet<ProductKey> = answer
            .iter()
            .filter(left_out)
            .filter_map(|checked| ProductKey::parse(checked.key().as_str()))
            .collect();
        let mut stored: HashMap<ProductKey, Upserted> =
            upserted.into_iter().map(|upserted| (upserted.stored.status.key, upserted)).collect();
        let keys = pasted.keys().iter().map(|key| match stored.remove(key) {
            Some(upserted) => KeyResult::Stored(Box::new(upserted)),
            None if unanswered.contains(key) => KeyResult::Unanswered(*key),
            None => KeyResult::Unknown(*key),
        });
        let lines = pasted.rejected().iter().cloned().map(KeyResult::Rejected);
        let results: Vec<KeyResult> = keys.chain(lines).collect();
        Self { summary: Summary::of(&results), results }
    }
}

impl Summary {
    fn of(results: &[KeyResult]) -> Self {
        let mut summary = Self { total: results.len(), ..Self::default() };
        for result in results {
            match result {
                KeyResult::Stored(upserted) if upserted.is_new => summary.new += 1,
                KeyResult::Stored(_) => summary.updated += 1,
                KeyResult::Unknown(_) | KeyResult::Unanswered(_) | KeyResult::Rejected(_) => {
                    summary.errors += 1
                }
            }
        }
        summary
    }
}

/// Converts a status into the domain's type. Returns `None` for a key without a status.
fn known(checked: &pidkey::Checked) -> Option<KeyStatus> {
    let pidkey::Checked::Known(status) = checked.clone() else { return None };
    Some(KeyStatus {
        key: ProductKey::parse(status.key.as_str())?,
        product: status.product,
        extended_pid: status.extended_pid,
        key_type: status.key_type,
        is_retail: status.is_retail,
        sub_type: status.sub_type,
        remaining: status.remaining,
        blocked: status.blocked,
        error_code: status.error_code,
        had_occurred: status.had_occurred.map(i32::from),
        invalid: status.invalid.map(i32::from),
        checked_text: status.checked_text,
        checked_at: status.checked_at,
    })
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e4).round() / 10.0
}
