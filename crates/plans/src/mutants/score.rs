//! Score of the mutants.

use super::{Mutant, MutantKind};
use crate::{Finding, Rule};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// Result of a mutant: how the cases noticed it, or why not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KilledBy {
    /// Noticed: a statement was rejected.
    Error,
    /// Noticed: a plan broke a rule, or an operation no longer used an index.
    Verdict,
    /// Noticed: a statement read far more pages.
    Buffers {
        /// Pages without the change.
        before: u64,
        /// Pages with the change.
        after: u64,
    },
    /// Not noticed: every statement read as many pages as before.
    Equivalent,
    /// Not noticed, although the pages differ.
    Survived,
    /// Not judged: no case reads or writes the table.
    Unjudged,
}

impl KilledBy {
    /// Returns true if a case noticed the mutant.
    pub fn is_kill(&self) -> bool {
        matches!(self, Self::Error | Self::Verdict | Self::Buffers { .. })
    }
}

/// A mutant and its result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MutantOutcome {
    /// The mutant.
    pub mutant: Mutant,
    /// Result.
    pub killed_by: KilledBy,
}

/// Results of the mutants of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Number of mutants.
    pub generated: usize,
    /// Number killed because a statement was rejected.
    pub by_error: usize,
    /// Number killed by verdict.
    pub by_verdict: usize,
    /// Number killed by pages.
    pub by_buffers: usize,
    /// Number that change no figure.
    pub equivalent: usize,
    /// Number that no case noticed.
    pub survived: usize,
    /// Number without a case that reads or writes the table.
    pub unjudged: usize,
}

/// Results of all mutants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Score {
    /// Results by kind, without kinds that have no mutants.
    pub kinds: BTreeMap<MutantKind, Tally>,
    /// Names of equivalent mutants, sorted.
    pub equivalent: Vec<String>,
    /// Names of mutants that survived, sorted. There should be none.
    pub survived: Vec<String>,
    /// Names of mutants without a case on their table, sorted. There should be none.
    pub unjudged: Vec<String>,
}

impl Score {
    /// Counts `outcomes`.
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

    /// Returns the results of all kinds together.
    pub fn total(&self) -> Tally {
        self.kinds.values().fold(Tally::default(), |sum, tally| sum.plus(tally))
    }

    /// Returns a finding for each mutant that survived or is unjudged.
    pub fn findings(&self) -> Vec<Finding> {
        let survivors = self.survived.iter().map(|name| survivor(name));
        survivors.chain(self.unjudged.iter().map(|name| unjudged(name))).collect()
    }
}

/// Prints one line, e.g. `12 generated: 9 killed by verdict, 1 by buffers, 1 by error, 1 equivalent, 0 survived, 0
/// unjudged`.
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
        "none noticed it, although some read another number of pages",
        "find the statement that needs the index in this form, and add the case that shows it; if there is none, simplify \
         the index",
    )
}

fn unjudged(name: &str) -> Finding {
    Finding::new(
        Rule::Survived,
        name,
        "a case that reads or writes its table",
        "none, so the effect of the change is unknown",
        "find the statement that the index is for, and add the case that sends it; if there is none, drop the index",
    )
}
