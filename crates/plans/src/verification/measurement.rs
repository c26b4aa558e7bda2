//! Measurements: cases that ran, and the verdicts on their replays.

use super::seeded::{RunCase, SeededDatabase};
use crate::{Error, Finding, Judged, ReplayDatabase, Run, judge, plan_kinds, unstable_plans};

/// A case that ran, and the verdict on its replay.
#[derive(Clone, Debug)]
pub(super) struct Measurement {
    pub(super) run: Run,
    pub(super) judged: Judged,
    pub(super) is_heavy: bool,
}

/// The cases at both sizes of the data; heavy ones at the smaller size only.
pub(super) struct Measurements {
    pub(super) at_small: Vec<Measurement>,
    pub(super) at_large: Vec<Measurement>,
}

/// Replays and judges the cases that ran on `database`, sorted by operation.
pub(super) async fn measure(database: &SeededDatabase) -> Result<Vec<Measurement>, Error> {
    let mut measured = Vec::new();
    for RunCase { run, is_heavy } in database.runs.clone() {
        let judged = judge(&database.replays, &run).await?;
        measured.push(Measurement { run, judged, is_heavy });
    }
    measured.sort_by(|a, b| a.run.contract.operation.cmp(&b.run.contract.operation));
    Ok(measured)
}

/// Adds the kind of plan that the server settles on to each statement. All cases of an operation share its prepared
/// statements, and are consecutive.
pub(super) async fn settle(database: &ReplayDatabase, measured: &mut [Measurement]) -> Result<(), Error> {
    for cases in measured.chunk_by_mut(|a, b| a.run.contract.operation == b.run.contract.operation) {
        let runs: Vec<_> = cases.iter().map(|one| one.run.clone()).collect();
        let mut judged: Vec<Judged> = cases.iter().map(|one| one.judged.clone()).collect();
        plan_kinds(database, &runs, &mut judged).await?;
        cases.iter_mut().zip(judged).for_each(|(one, judged)| one.judged = judged);
    }
    Ok(())
}

/// Judges light cases again after each of `times` further ANALYZEs, and returns what changes.
pub(super) async fn resample(
    database: &mut ReplayDatabase,
    measured: &[Measurement],
    times: u32,
) -> Result<Vec<Finding>, Error> {
    let mut findings = Vec::new();
    for _ in 0..times {
        database.run("ANALYZE").await?;
        database.refresh().await?;
        for Measurement { run, judged, .. } in measured.iter().filter(|one| !one.is_heavy) {
            findings.extend(unstable_plans(judged, &judge(database, run).await?));
        }
    }
    Ok(findings)
}

impl Measurement {
    /// Returns the same case among those of the other size.
    pub(super) fn at<'a>(&self, size: &'a [Self]) -> Option<&'a Self> {
        let key = |one: &Self| (one.judged.contract.operation.clone(), one.judged.case.clone());
        size.iter().find(|other| key(other) == key(self))
    }
}

impl Measurements {
    /// Returns every case at every size, the smaller size first.
    pub(super) fn all(&self) -> impl Iterator<Item = &Measurement> {
        self.at_small.iter().chain(&self.at_large)
    }

    /// Returns the cases that run at the smaller size only.
    pub(super) fn heavy(&self) -> impl Iterator<Item = &Measurement> {
        self.at_small.iter().filter(|one| one.is_heavy)
    }

    /// Returns each case once: heavy ones at the smaller size, all others at the larger one.
    pub(super) fn each_case(&self) -> impl Iterator<Item = &Judged> {
        self.at_large.iter().chain(self.heavy()).map(|one| &one.judged)
    }

    /// Returns the cases that ran at both sizes, the smaller size first.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&Judged, &Judged)> {
        self.at_small.iter().filter_map(|one| Some((&one.judged, &one.at(&self.at_large)?.judged)))
    }
}
