//! Comparison of the seals with the rows of the trail.

use super::{ChainEnd, NotedSeal, Seal, SealedRow};
use chrono::{DateTime, Utc};
use std::collections::VecDeque;
use std::fmt;
use std::iter::Peekable;
use std::ops::RangeInclusive;

/// Evidence that the trail was altered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The values of a sealed row differ from those that were sealed.
    RowChanged {
        /// Id of the row.
        id: i64,
        /// Time of the row when it was sealed.
        created_at: DateTime<Utc>,
    },
    /// A sealed row does not exist.
    RowRemoved {
        /// Id of the row.
        id: i64,
        /// Time of the row when it was sealed.
        created_at: DateTime<Utc>,
    },
    /// A row exists that was not there when its ids were sealed.
    RowInserted {
        /// Id of the row.
        id: i64,
        /// Time of the row.
        created_at: DateTime<Utc>,
    },
    /// A seal does not follow from the one before it.
    SealChanged {
        /// Number of the seal.
        number: i64,
    },
    /// Seals do not exist, so their rows cannot be verified.
    SealsMissing {
        /// Numbers of the seals.
        numbers: RangeInclusive<i64>,
    },
    /// A seal has another hash than was noted outside the database.
    SealDiffers {
        /// The seal as it was noted.
        noted: NotedSeal,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time =
            |created_at: &DateTime<Utc>| created_at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
        match self {
            Self::RowChanged { id, created_at } => write!(f, "row {id} of {} was changed", time(created_at)),
            Self::RowRemoved { id, created_at } => write!(f, "row {id} of {} was removed", time(created_at)),
            Self::RowInserted { id, created_at } => {
                write!(f, "row {id} of {} was inserted", time(created_at))
            }
            Self::SealChanged { number } => {
                write!(f, "seal {number} does not follow from the seal before it: one of the two was changed")
            }
            Self::SealsMissing { numbers } if numbers.start() == numbers.end() => {
                write!(f, "seal {} was removed: its rows cannot be verified", numbers.start())
            }
            Self::SealsMissing { numbers } => {
                let (first, last) = (numbers.start(), numbers.end());
                write!(f, "seals {first} to {last} were removed: their rows cannot be verified")
            }
            Self::SealDiffers { noted } => {
                write!(
                    f,
                    "seal {} has another hash than {}: it or a seal before it was changed",
                    noted.number, noted.hash
                )
            }
        }
    }
}

/// Compares seals with rows, batch by batch, in the order of the ids.
#[derive(Debug)]
pub struct Verifier {
    end: ChainEnd,
    noted: Option<NotedSeal>,
    /// Sealed rows that were not compared yet.
    sealed: VecDeque<SealedRow>,
    /// Ids of missing seals that were not compared yet.
    unknown: VecDeque<RangeInclusive<i64>>,
    /// Time before which rows may be in detached partitions.
    attached_since: DateTime<Utc>,
    /// Number of rows that are as they were sealed.
    pub intact: u64,
    /// Number of sealed rows that are in detached partitions.
    pub detached: u64,
}

impl Verifier {
    /// Creates a verifier. Absent rows from before `attached_since` count as detached. The seal `noted` must have the hash
    /// that was noted.
    pub fn new(attached_since: DateTime<Utc>, noted: Option<NotedSeal>) -> Self {
        Self {
            end: ChainEnd::START,
            noted,
            sealed: VecDeque::new(),
            unknown: VecDeque::new(),
            attached_since,
            intact: 0,
            detached: 0,
        }
    }

    /// Returns the end of the chain so far.
    pub fn end(&self) -> ChainEnd {
        self.end
    }

    /// Adds the next seal.
    pub fn add_seal(&mut self, seal: Seal) -> Vec<Finding> {
        let mut findings = Vec::new();
        if seal.number > self.end.number + 1 {
            findings.push(Finding::SealsMissing { numbers: self.end.number + 1..=seal.number - 1 });
            self.unknown.push_back(self.end.last_id + 1..=seal.first_id - 1);
        } else if !seal.follows(&self.end) {
            findings.push(Finding::SealChanged { number: seal.number });
        }
        if let Some(noted) = self.noted.take_if(|noted| noted.number <= seal.number)
            && (noted.number, noted.hash) != (seal.number, seal.hash)
        {
            findings.push(Finding::SealDiffers { noted });
        }
        self.end = seal.end();
        self.sealed.extend(seal.rows);
        findings
    }

    /// Compares `rows`, which are all rows after those of the last call up to the id `through`, with the sealed ones.
    pub fn add_rows(&mut self, rows: &[SealedRow], through: i64) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut rows = rows.iter().peekable();
        while let Some(sealed) = self.sealed.front().copied().filter(|sealed| sealed.id <= through) {
            self.inserted_before(sealed.id, &mut rows, &mut findings);
            let found = std::iter::from_fn(|| rows.next_if(|row| row.id == sealed.id)).copied().collect();
            self.compare(&sealed, found, &mut findings);
            self.sealed.pop_front();
        }
        self.inserted_before(i64::MAX, &mut rows, &mut findings);
        self.unknown.retain(|ids| *ids.end() > through);
        findings
    }

    /// Reports the rows before `id`, which have no seal.
    fn inserted_before<'r>(
        &self,
        id: i64,
        rows: &mut Peekable<impl Iterator<Item = &'r SealedRow>>,
        findings: &mut Vec<Finding>,
    ) {
        while let Some(row) = rows.next_if(|row| row.id < id) {
            if !self.unknown.iter().any(|ids| ids.contains(&row.id)) {
                findings.push(Finding::RowInserted { id: row.id, created_at: row.created_at });
            }
        }
    }

    /// Compares a sealed row with the rows of its id, of which there can be several with different times.
    fn compare(&mut self, sealed: &SealedRow, mut found: Vec<SealedRow>, findings: &mut Vec<Finding>) {
        let SealedRow { id, created_at, .. } = *sealed;
        if found.is_empty() && created_at < self.attached_since {
            self.detached += 1;
        } else if found.is_empty() {
            findings.push(Finding::RowRemoved { id, created_at });
        } else if let Some(intact) = found.iter().position(|row| row == sealed) {
            self.intact += 1;
            found.remove(intact);
        } else {
            findings.push(Finding::RowChanged { id, created_at });
            found.remove(0);
        }
        findings
            .extend(found.iter().map(|row| Finding::RowInserted { id: row.id, created_at: row.created_at }));
    }

    /// Ends the verification. A noted seal that was not added has been removed.
    pub fn finish(&mut self) -> Vec<Finding> {
        let removed =
            |noted: NotedSeal| Finding::SealsMissing { numbers: self.end.number + 1..=noted.number };
        self.noted.take().map(removed).into_iter().collect()
    }
}
