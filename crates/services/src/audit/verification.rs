//! Verification of the trail against its seals.

use chrono::{DateTime, Days, Utc};
use steadfast_domain::audit::seals::{ChainEnd, Finding, NotedSeal, Verifier};
use steadfast_repository::audit::{attached_since, count_unsealed, is_full, last_seal, rows, seals};
use steadfast_repository::{Error, Store};

/// Age below which no partition is detached, whatever the retention.
const NEVER_DETACHED: Days = Days::new(30);

/// Event during a verification.
#[derive(Debug)]
pub enum Event {
    /// This many of all seals are verified.
    Progress {
        /// Number of the last verified seal.
        done: i64,
        /// Number of the last seal.
        all: i64,
    },
    /// The trail was altered.
    Found(Finding),
}

/// Outcome of a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Number of findings.
    pub findings: u64,
    /// Number of rows that are as they were sealed.
    pub intact: u64,
    /// Number of sealed rows that are in detached partitions and were not verified.
    pub detached: u64,
    /// Time before which rows may be in detached partitions.
    pub attached_since: DateTime<Utc>,
    /// Number of rows that are not sealed yet, counted up to 10,001.
    pub unsealed: i64,
    /// End of the chain of seals.
    pub end: ChainEnd,
}

/// Compares all seals with the rows that they cover, in batches, and the seal `noted` with the one that is stored. Calls
/// `report` for each finding and after each batch. Seals that are added during the verification are not verified.
///
/// # Errors
/// Returns [`Error`] if the database does not answer.
pub async fn verify(
    store: &Store,
    noted: Option<NotedSeal>,
    mut report: impl FnMut(Event) + Send,
) -> Result<Verified, Error> {
    let latest = Utc::now() - NEVER_DETACHED;
    let attached_since = attached_since(store).await?.map_or(latest, |oldest| oldest.min(latest));
    let end = last_seal(store).await?.unwrap_or(ChainEnd::START);
    let (mut verifier, mut findings, mut compared) = (Verifier::new(attached_since, noted), 0, None);
    let mut found = |found: Vec<Finding>, report: &mut (dyn FnMut(Event) + Send)| {
        findings += found.len() as u64;
        found.into_iter().for_each(|finding| report(Event::Found(finding)));
    };
    while verifier.end().number < end.number {
        let batch = seals(store, verifier.end().number).await?;
        // Seals are being deleted at this moment.
        if batch.is_empty() {
            break;
        }
        for seal in batch.into_iter().filter(|seal| seal.number <= end.number) {
            found(verifier.add_seal(seal), &mut report);
        }
        let through = verifier.end().last_id;
        loop {
            let batch = rows(store, compared, through).await?;
            let last = batch.last().map(|row| row.id).filter(|_| is_full(&batch));
            found(verifier.add_rows(&batch, last.unwrap_or(through)), &mut report);
            compared = Some(last.unwrap_or(through));
            if last.is_none() {
                break;
            }
        }
        report(Event::Progress { done: verifier.end().number, all: end.number });
    }
    found(verifier.finish(), &mut report);
    let unsealed = count_unsealed(store, verifier.end().last_id).await?;
    let Verifier { intact, detached, .. } = verifier;
    Ok(Verified { findings, intact, detached, attached_since, unsealed, end: verifier.end() })
}
