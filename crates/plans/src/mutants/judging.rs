//! Whether a changed schema was noticed, and whether an index is worth what it costs: rules over counted pages.

use super::score::KilledBy;
use crate::{Finding, Rule};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What one statement of a case did in a replay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Measured {
    /// The operation.
    pub operation: String,
    /// The case.
    pub case: String,
    /// The statement's place in its unit of work, from 0.
    pub statement: usize,
    /// Pages read from memory and disk, planning excluded.
    pub buffers: u64,
    /// Whether it writes: its pages then include the upkeep of indexes.
    pub writes: bool,
    /// The indexes of its plan by bare names; a partition's as its table's.
    pub indexes: BTreeSet<String>,
    /// Findings of the verdict, of every rule.
    pub findings: usize,
    /// Those among them that say how the plan reads: nodes that are not allowed.
    pub forbidden: usize,
}

/// A statement that the server refused in a replay, e.g. ON CONFLICT without the unique index it names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// The operation.
    pub operation: String,
    /// The case.
    pub case: String,
    /// The statement's place in its unit of work, from 0.
    pub statement: usize,
    /// What the server said.
    pub message: String,
}

/// From which number of pages on a statement reads noticeably more than before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// Times as many,
    pub factor: f64,
    /// and so many more.
    pub slack: u64,
}

impl Bound {
    /// More than 1.5 times as many and 8 more: what growth between two sizes may be, too.
    pub const GROWTH: Self = Self { factor: 1.5, slack: 8 };
    /// Twice as many: what an index has to save to be worth its upkeep.
    pub const WORTH: Self = Self { factor: 2.0, slack: 0 };

    fn limit(self, before: u64) -> f64 {
        before as f64 * self.factor + self.slack as f64
    }

    /// Whether `after` is above the bound.
    pub fn is_passed(self, before: u64, after: u64) -> bool {
        after as f64 > self.limit(before)
    }

    /// Whether `after` is the bound or above, and more than `before`.
    pub fn is_reached(self, before: u64, after: u64) -> bool {
        after > before && after as f64 >= self.limit(before)
    }
}

type Key<'a> = (&'a str, &'a str, usize);
/// A statement of the replay before the change, and the same one after it.
type Pair<'a> = (&'a Measured, &'a Measured);

/// How the replays of a mutant tell it from the schema as it is. The first of these that holds:
///
/// 1. error: a statement was refused, or did not run any more;
/// 2. verdict: a statement has more findings than before, or an operation uses an index in none of its cases that it
///    used in one;
/// 3. buffers: a statement reads more pages than `bound` allows;
/// 4. equivalent: every statement reads the same number of pages as before; one that writes, about as many, since any change
///    of an index shifts its upkeep;
/// 5. survived.
///
/// Without replays it is unjudged.
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
    if is_told_by_verdict(&pairs) {
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
    /// What two rounds of replays say together: the kill of either; else survived, where one of them saw a difference;
    /// equivalent only where both looked and neither did. A round without replays says nothing.
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

fn is_told_by_verdict(pairs: &[Pair<'_>]) -> bool {
    let old_uses = uses(pairs.iter().map(|(old, _)| *old));
    let new_uses = uses(pairs.iter().map(|(_, new)| *new));
    pairs.iter().any(|(old, new)| new.findings > old.findings) || !old_uses.is_subset(&new_uses)
}

/// Which operation uses which index.
fn uses<'a>(measured: impl Iterator<Item = &'a Measured>) -> BTreeSet<(&'a str, &'a str)> {
    let of = |one: &'a Measured| one.indexes.iter().map(|index| (one.operation.as_str(), index.as_str()));
    measured.flat_map(of).collect()
}

/// A finding when `index` is not worth its upkeep: after it was dropped, every statement that had used it did
/// without, by allowed nodes and with less than twice the pages. `None` when it is needed, and also when no statement
/// had used it: that is for [`unclaimed`](crate::unclaimed) to say.
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
        format!("{} pages with it, {} without, in the case that misses it most", old.buffers, new.buffers);
    let suggestion = "find the statement that the index was made for: if it no longer takes the index, repair it; if no case \
                      reaches it, add the case; if there is none, drop the index";
    let expected = "twice the pages, or a node that is not allowed, without the index";
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
