//! Ablation and mutants: the cases replayed on copies in which one index is dropped or changed.

use super::measurement::{Measurement, Measurements};
use super::mutant_run::{MutantRun, named};
use super::options::Changes;
use super::seeded::SeededDatabase;
use crate::{
    AblationRow, Catalogue, Documented, Error, Finding, Index, Judged, KilledBy, Measured, MutantKind,
    MutantOutcome, Refused, Score, judge_ablation, mutants,
};
use std::collections::BTreeMap;

/// Results of the changes of all indexes.
#[derive(Default)]
pub(super) struct Ablated {
    pub(super) rows: Vec<AblationRow>,
    pub(super) score: Option<Score>,
    pub(super) findings: Vec<Finding>,
    /// Bytes of write-ahead log that an index adds to each row written, by index, if a case writes to its table.
    pub(super) wal: BTreeMap<String, u64>,
}

/// Cases, and the database that they ran on.
struct MeasuredCases<'a> {
    database: &'a SeededDatabase,
    cases: Vec<&'a Measurement>,
}

/// Drops each index in turn, or makes all its mutants, and replays the cases that read or write its table: the light
/// ones at the larger size, and for a mutant that none of them notices the heavy ones too. A documented index does not
/// have to be worth its upkeep.
pub(super) async fn ablate(
    catalogue: &Catalogue,
    measured: &Measurements,
    [small, large]: [&SeededDatabase; 2],
    documented: &[Documented<'_>],
    changes: Changes,
) -> Result<Ablated, Error> {
    let light = MeasuredCases { database: large, cases: measured.at_large.iter().collect() };
    let heavy = MeasuredCases { database: small, cases: measured.heavy().collect() };
    let all = changes == Changes::All;
    let mut ablated = Ablated::default();
    let mut outcomes = Vec::new();
    for mutant in mutants(catalogue).into_iter().filter(|mutant| all || mutant.kind == MutantKind::Drop) {
        let Some(index) = catalogue.index(&mutant.index) else { continue };
        let is_documented = documented.iter().any(|documented| documented.index == mutant.index);
        // Any case on the table may notice a mutant. Only the cases that use an index miss it when it is dropped.
        let concerned = light.those(|one| match all || is_documented {
            true => touches(one, &index.table),
            false => uses(one, &mutant.index),
        });
        let mut killed_by = KilledBy::Unjudged;
        let is_decided_by_one = !all && !is_documented;
        if let Some(run) = MutantRun::of(light.database, &mutant, concerned, is_decided_by_one).await? {
            if mutant.kind == MutantKind::Drop {
                ablated.add(index, is_documented, &run);
            }
            killed_by = run.killed_by();
            if all && !killed_by.is_kill() {
                killed_by = killed_by.and(run.settled().await.map_err(Error::during(|| named(&mutant)))?);
            }
        }
        if all && !killed_by.is_kill() {
            let concerned = heavy.those(|one| touches(one, &index.table));
            let run = MutantRun::of(heavy.database, &mutant, concerned, false).await?;
            killed_by = killed_by.and(run.map_or(KilledBy::Unjudged, |run| run.killed_by()));
        }
        outcomes.push(MutantOutcome { killed_by, mutant });
    }
    if all {
        let score = Score::of(&outcomes);
        ablated.findings.extend(score.findings());
        ablated.score = Some(score);
    }
    Ok(ablated)
}

impl<'a> MeasuredCases<'a> {
    fn those(&self, is_concerned: impl Fn(&Judged) -> bool) -> Vec<&'a Measurement> {
        self.cases.iter().copied().filter(|one| is_concerned(&one.judged)).collect()
    }
}

/// Returns true if a plan of the case uses `index`.
fn uses(judged: &Judged, index: &str) -> bool {
    judged.statements.iter().any(|statement| statement.indexes().iter().any(|used| *used == index))
}

/// Returns true if the case reads or writes `table`.
fn touches(judged: &Judged, table: &str) -> bool {
    judged.statements.iter().any(|statement| statement.touches(table))
}

impl Ablated {
    /// Adds what the cases of `run` miss without `index`.
    fn add(&mut self, index: &Index, is_documented: bool, run: &MutantRun<'_>) {
        let (before, after) = (run.before(), run.after());
        if !is_documented && !index.is_enforcing() {
            self.findings.extend(judge_ablation(&index.name, &before, &after));
        }
        self.rows.extend(row(&index.name, &before, &after));
        self.wal.extend(run.wal_per_row(index).map(|bytes| (index.name.clone(), bytes)));
    }
}

/// Returns the row of the case that misses `index` most.
fn row(index: &str, before: &[Measured], after: &[Result<Measured, Refused>]) -> Option<AblationRow> {
    let rows = before.iter().filter(|old| old.indexes.contains(index)).map(|old| AblationRow {
        index: index.to_owned(),
        case: format!("{} [{}]", old.operation, old.case),
        with: old.buffers,
        without: after.iter().flatten().find(|new| is_same(old, new)).map(|new| new.buffers),
    });
    let loss = |row: &AblationRow| match row.without {
        Some(without) => without as f64 / row.with.max(1) as f64,
        None => f64::INFINITY,
    };
    rows.max_by(|a, b| loss(a).total_cmp(&loss(b)))
}

fn is_same(one: &Measured, other: &Measured) -> bool {
    (&one.operation, &one.case, one.statement) == (&other.operation, &other.case, other.statement)
}
