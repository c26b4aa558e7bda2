//! How many mutants there were, and what became of them.

use super::{Mutant, MutantKind};
use crate::{Finding, Rule};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// What told a mutant from the schema as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KilledBy {
    /// A statement was refused.
    Error,
    /// A statement's plan is no longer what its operation declares.
    Verdict,
    /// A statement reads far more pages.
    Buffers {
        /// Pages of the schema as it is,
        before: u64,
        /// and of the mutant.
        after: u64,
    },
    /// Nothing can: every statement reads exactly as many pages.
    Equivalent,
    /// Nothing did, though the pages differ.
    Survived,
    /// Nobody knows: no case reads or writes its table.
    Unjudged,
}

impl KilledBy {
    /// Whether the cases noticed the mutant.
    pub fn is_kill(&self) -> bool {
        matches!(self, Self::Error | Self::Verdict | Self::Buffers { .. })
    }
}

/// A mutant and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MutantOutcome {
    /// The mutant.
    pub mutant: Mutant,
    /// What became of it.
    pub killed_by: KilledBy,
}

/// What became of the mutants of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// All there were.
    pub generated: usize,
    /// Killed because a statement was refused.
    pub by_error: usize,
    /// Killed by verdict.
    pub by_verdict: usize,
    /// Killed by buffers.
    pub by_buffers: usize,
    /// Proven to be equivalent.
    pub equivalent: usize,
    /// Not noticed.
    pub survived: usize,
    /// Without a case that reads or writes the table.
    pub unjudged: usize,
}

/// What became of all mutants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Score {
    /// By kind; a kind without mutants is left out.
    pub kinds: BTreeMap<MutantKind, Tally>,
    /// Names of those that are equivalent, sorted.
    pub equivalent: Vec<String>,
    /// Names of those that survived, sorted. There should be none.
    pub survived: Vec<String>,
    /// Names of those that no case could notice, sorted. There should be none.
    pub unjudged: Vec<String>,
}

impl Score {
    /// The score of `outcomes`.
    pub fn of(outcomes: &[MutantOutcome]) -> Self {
        let mut score = Self::default();
        for outcome in outcomes {
            score.kinds.entry(outcome.mutant.kind).or_default().count(&outcome.killed_by);
        }
        score.equivalent = named(outcomes, &KilledBy::Equivalent);
        score.survived = named(outcomes, &KilledBy::Survived);
        score.unjudged = named(outcomes, &KilledBy::Unjudged);
        score
    }

    /// All kinds together.
    pub fn total(&self) -> Tally {
        self.kinds.values().fold(Tally::default(), |sum, tally| sum.plus(tally))
    }

    /// A finding for each mutant that survived, or that no case could notice.
    pub fn findings(&self) -> Vec<Finding> {
        let survivors = self.survived.iter().map(|name| survivor(name));
        survivors.chain(self.unjudged.iter().map(|name| unjudged(name))).collect()
    }
}

/// One line, e.g. `12 generated: 9 killed by verdict, 1 by buffers, 1 by error, 1 equivalent, 0 survived,
/// 0 unjudged`.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { generated, by_error, by_verdict, by_buffers, equivalent, survived, unjudged } = self;
        write!(f, "{generated} generated: {by_verdict} killed by verdict, {by_buffers} by buffers, ")?;
        write!(f, "{by_error} by error, {equivalent} equivalent, {survived} survived, {unjudged} unjudged")
    }
}

impl Tally {
    fn count(&mut self, killed_by: &KilledBy) {
        self.generated += 1;
        *match killed_by {
            KilledBy::Error => &mut self.by_error,
            KilledBy::Verdict => &mut self.by_verdict,
            KilledBy::Buffers { .. } => &mut self.by_buffers,
            KilledBy::Equivalent => &mut self.equivalent,
            KilledBy::Survived => &mut self.survived,
            KilledBy::Unjudged => &mut self.unjudged,
        } += 1;
    }

    fn plus(self, other: &Self) -> Self {
        Self {
            generated: self.generated + other.generated,
            by_error: self.by_error + other.by_error,
            by_verdict: self.by_verdict + other.by_verdict,
            by_buffers: self.by_buffers + other.by_buffers,
            equivalent: self.equivalent + other.equivalent,
            survived: self.survived + other.survived,
            unjudged: self.unjudged + other.unjudged,
        }
    }
}

fn named(outcomes: &[MutantOutcome], killed_by: &KilledBy) -> Vec<String> {
    let such = outcomes.iter().filter(|outcome| outcome.killed_by == *killed_by);
    let mut names: Vec<String> = such.map(|outcome| outcome.mutant.name.clone()).collect();
    names.sort();
    names
}

fn survivor(name: &str) -> Finding {
    Finding::new(
        Rule::Survived,
        name,
        "a case that notices the change",
        "none that does, though some read another number of pages",
        "find the statement that needs the index as it is, and add the case that shows it; if no statement does, take the \
         simpler index",
    )
}

fn unjudged(name: &str) -> Finding {
    Finding::new(
        Rule::Survived,
        name,
        "a case that reads or writes its table",
        "none, so nobody knows whether the change matters",
        "find the statement that the index is for, and add the case that sends it; if there is none, drop the index",
    )
}
