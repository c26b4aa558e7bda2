//! Checking product keys: one question to PIDKey.com, one write of what it knows.

use crate::{Error, Upstream};
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};
use steadfast_domain::keys::{KeyStatus, Pasted, ProductKey, RejectedLine, Upserted};
use steadfast_pidkey as pidkey;
use steadfast_pidkey::resilience::Deadline;
use steadfast_repository::{Store, keys};
use steadfast_resilience::Snapshot;

/// What is kept back of a check's time for storing what was learnt.
const STORING: Duration = Duration::from_secs(5);

/// Checks keys against PIDKey.com. Share one in the process: breaker, silence and rate limit live in it.
#[derive(Debug)]
pub struct Checker {
    client: pidkey::Client,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// One entry for each key and for each line without a key: the keys in the order pasted, then the lines.
    pub results: Vec<KeyResult>,
    /// How many of them count as what.
    pub summary: Summary,
}

/// How many results are of which kind. `total` is the sum of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// All results.
    pub total: usize,
    /// Keys that were not stored before.
    pub new: usize,
    /// Keys whose stored status was replaced.
    pub updated: usize,
    /// Keys that PIDKey.com does not know or did not answer, and lines without a key.
    pub errors: usize,
}

/// What became of one pasted entry.
#[derive(Clone, Debug, PartialEq)]
pub enum KeyResult {
    /// Its status was learnt and stored.
    Stored(Box<Upserted>),
    /// PIDKey.com does not know it. Nothing was stored.
    Unknown(ProductKey),
    /// PIDKey.com left it out of its answer. Nothing was learnt and nothing stored.
    Unanswered(ProductKey),
    /// It is no key.
    Rejected(RejectedLine),
}

/// How long the parts of a check took.
#[derive(Clone, Copy, Debug, Default)]
struct Durations {
    api: Duration,
    database: Duration,
}

impl Checker {
    /// A checker that asks through `client`.
    pub fn new(client: pidkey::Client) -> Self {
        Self { client }
    }

    /// The breaker in front of PIDKey.com, for health answers.
    pub fn breaker(&self) -> Snapshot {
        self.client.breaker()
    }

    /// Asks PIDKey.com for all pasted keys at once and stores what it knows, within `limit`. May be repeated safely.
    ///
    /// # Errors
    /// [`Error::Upstream`], then nothing was stored; [`Error::Repository`], see there.
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
        // A check may cost an activation: none is spent on an answer that cannot be stored.
        store.within(deadline).ping().await?;
        let began = Instant::now();
        let answer = self.client.check(&asked.map_err(Upstream::from)?, deadline.earlier_by(STORING)).await;
        durations.api = began.elapsed();
        let answer = answer.map_err(Upstream::from)?;
        let known: Vec<KeyStatus> = answer.iter().filter_map(known).collect();
        let began = Instant::now();
        // Nothing known is nothing to write: no transaction for that.
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

/// The status in the domain's terms; `None` for a key of which PIDKey.com said nothing.
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
