//! Judging of mutants: whether the cases notice one, and whether an index is worth its upkeep.

use super::score::KilledBy;
use crate::{Finding, Rule};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Figures of one statement of a case in a replay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Measured {
    /// Operation.
    pub operation: String,
    /// Case.
    pub case: String,
    /// Position of the statement in its unit of work, from 0.
    pub statement: usize,
    /// Pages read from memory or disk, without those of planning.
    pub buffers: u64,
    /// True if the statement writes. Its pages then include the upkeep of indexes.
    pub writes: bool,
    /// Bare names of the indexes of its plan. The index of a partition counts as that of its table.
    pub indexes: BTreeSet<String>,
    /// Number of findings, of all rules.
    pub findings: usize,
    /// Number of findings on how the plan reads: forbidden nodes.
    pub forbidden: usize,
}

/// A statement that the server rejected in a replay, e.g. ON CONFLICT without the unique index that it names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Operation.
    pub operation: String,
    /// Case.
    pub case: String,
    /// Position of the statement in its unit of work, from 0.
    pub statement: usize,
    /// Message of the server.
    pub message: String,
}

/// Bound on the pages of a statement, relative to those before a change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// Factor.
    pub factor: f64,
    /// Number of further pages.
    pub slack: u64,
}

impl Bound {
    /// 1.5 times the pages and 8 more: the bound of growth between two sizes.
    pub const GROWTH: Self = Self { factor: 1.5, slack: 8 };
    /// Twice the pages: what an index must save to be worth its upkeep.
    pub const WORTH: Self = Self { factor: 2.0, slack: 0 };

    fn limit(self, before: u64) -> f64 {
        before as f64 * self.factor + self.slack as f64
    }

    /// Returns true if `after` exceeds the bound.
    pub fn is_passed(self, before: u64, after: u64) -> bool {
        after as f64 > self.limit(before)
    }

    /// Returns true if `after` reaches the bound and exceeds `before`.
    pub fn is_reached(self, before: u64, after: u64) -> bool {
        after > before && after as f64 >= self.limit(before)
    }
}

type Key<'a> = (&'a str, &'a str, usize);
/// A statement before and after the change.
type Pair<'a> = (&'a Measured, &'a Measured);

/// Returns how the cases notice a mutant. The first of these that applies:
///
/// 1. error: a statement was rejected or no longer ran;
/// 2. verdict: a statement has more findings than before, or no case of an operation uses an index that one used
///    before;
/// 3. buffers: a statement reads more pages than `bound` allows;
/// 4. equivalent: every statement reads as many pages as before. A statement that writes may read a few more or fewer,
///    because any change of an index affects its upkeep;
/// 5. survived.
///
/// Without replays the mutant is unjudged.
///
/// ```
/// use steadfast_plans::{Bound, KilledBy, Measured, judge_mutant};
///
/// let read = |buffers| Measured { operation: "trees.tall".into(), buffers, ..Measured::default() };
/// let of_10_to = |after| judge_mutant(&[read(10)], &[Ok(read(after))], Bound::GROWTH);
/// assert_eq!(of_10_to(24), KilledBy::Buffers { before: 10, after: 24 });
/// assert_eq!(of_10_to(23), KilledBy::Survived);
/// assert_eq!(of_10_to(10), KilledBy::Equivalent);
/// ```
pub fn judge_mutant(before: &[Measured], after: &[Result<Measured, Refused>], bound: Bound) -> KilledBy {
    if before.is_empty() && after.is_empty() {
        return KilledBy::Unjudged;
    }
    let replays = by_key(after);
    let missing = before.iter().any(|measured| !replays.contains_key(&key(measured)));
    if missing || after.iter().any(Result::is_err) {
        return KilledBy::Error;
    }
    let pairs: Vec<Pair<'_>> =
        before.iter().filter_map(|old| Some((old, *replays.get(&key(old))?))).collect();
    if has_worse_verdict(&pairs) {
        return KilledBy::Verdict;
    }
    let passed = pairs.iter().filter(|(old, new)| bound.is_passed(old.buffers, new.buffers));
    match passed.max_by_key(|(old, new)| new.buffers - old.buffers) {
        Some((old, new)) => KilledBy::Buffers { before: old.buffers, after: new.buffers },
        None if pairs.iter().all(|(old, new)| old.writes || old.buffers == new.buffers) => {
            KilledBy::Equivalent
        }
        None => KilledBy::Survived,
    }
}

impl KilledBy {
    /// Combines two rounds of replays. A kill of either round counts. Otherwise the mutant survived if a round saw a
    /// difference, and is equivalent if neither did. A round without replays does not count.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unjudged, only) | (only, Self::Unjudged) => only,
            (Self::Survived, Self::Survived | Self::Equivalent) | (Self::Equivalent, Self::Survived) => {
                Self::Survived
            }
            (Self::Survived | Self::Equivalent, other) => other,
            (killed, _) => killed,
        }
    }
}

fn has_worse_verdict(pairs: &[Pair<'_>]) -> bool {
    let old_uses = uses(pairs.iter().map(|(old, _)| *old));
    let new_uses = uses(pairs.iter().map(|(_, new)| *new));
    pairs.iter().any(|(old, new)| new.findings > old.findings) || !old_uses.is_subset(&new_uses)
}

/// Returns the pairs of operation and index that it uses.
fn uses<'a>(measured: impl Iterator<Item = &'a Measured>) -> BTreeSet<(&'a str, &'a str)> {
    let of = |one: &'a Measured| one.indexes.iter().map(|index| (one.operation.as_str(), index.as_str()));
    measured.flat_map(of).collect()
}

/// Returns a finding if `index` is not worth its upkeep: without it, every statement that used it reads less than twice
/// the pages and breaks no further rule. Returns `None` if no statement used it, because
/// [`unclaimed`](crate::unclaimed) reports that.
pub fn judge_ablation(
    index: &str,
    before: &[Measured],
    after: &[Result<Measured, Refused>],
) -> Option<Finding> {
    let replays = by_key(after);
    let claiming: Vec<&Measured> =
        before.iter().filter(|measured| measured.indexes.contains(index)).collect();
    let misses = |old: &&Measured| match replays.get(&key(old)) {
        Some(new) => new.forbidden > old.forbidden || Bound::WORTH.is_reached(old.buffers, new.buffers),
        None => true,
    };
    let is_needed = claiming.iter().any(misses);
    let worst = claiming
        .into_iter()
        .filter_map(|old| Some((old, *replays.get(&key(old))?)))
        .max_by(|a, b| loss(a).total_cmp(&loss(b)))?;
    (!is_needed).then(|| not_worth_it(index, worst))
}

fn loss((old, new): &Pair<'_>) -> f64 {
    new.buffers as f64 / old.buffers.max(1) as f64
}

fn not_worth_it(index: &str, (old, new): Pair<'_>) -> Finding {
    let found =
        format!("{} pages with it, {} without it, in the case that misses it most", old.buffers, new.buffers);
    let suggestion = "find the statement that the index was created for: if it no longer uses the index, repair it; if no case \
                      sends it, add the case; if there is none, drop the index";
    let expected = "twice the pages, or a forbidden node, without the index";
    Finding {
        case: format!("{} {}", old.operation, old.case),
        ..Finding::new(Rule::Unneeded, index, expected, found, suggestion)
    }
}

fn key(measured: &Measured) -> Key<'_> {
    (&measured.operation, &measured.case, measured.statement)
}

fn by_key(after: &[Result<Measured, Refused>]) -> BTreeMap<Key<'_>, &Measured> {
    after.iter().flatten().map(|measured| (key(measured), measured)).collect()
}
