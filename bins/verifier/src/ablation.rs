//! Ablation and mutants: the cases are replayed on schemas that are wrong by one index, each on a clone of its own.

use crate::measure::{Measurement, settle};
use crate::site::Site;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use steadfast_plans::{
    AblationRow, Bound, Catalogue, Finding, Index, Judged, KilledBy, Measured, Mutant, MutantKind,
    MutantOutcome, Refused, ReplayDatabase, Rule, Run, Score, StatementOutcome, judge, judge_ablation,
    judge_mutant, mutants,
};
use steadfast_testkit::TestDatabase;

/// Factor between the pages without and with an index that needs no further proof of its worth.
const DECISIVE: u64 = 10;

/// What came of the changed schemas.
#[derive(Default)]
pub(crate) struct Ablated {
    pub(crate) rows: Vec<AblationRow>,
    pub(crate) score: Option<Score>,
    pub(crate) findings: Vec<Finding>,
    /// Bytes of write-ahead log that each index adds to a row that is written, where a case writes to its table.
    pub(crate) wal: BTreeMap<String, u64>,
}

/// Cases, and the data on which they were measured.
pub(crate) struct Ground<'a> {
    pub(crate) site: &'a Site,
    pub(crate) measured: Vec<&'a Measurement>,
}

/// Drops each index in turn, or with `all` changes each in every way, and replays the `light` cases that read or write its
/// table; where none of them notices, the `heavy` ones too. Indexes that stand in `documented` need not be worth their
/// upkeep.
pub(crate) async fn ablate(
    catalogue: &Catalogue,
    light: &Ground<'_>,
    heavy: &Ground<'_>,
    documented: &[&str],
    all: bool,
) -> Result<Ablated> {
    let mut ablated = Ablated::default();
    let mut outcomes = Vec::new();
    for mutant in mutants(catalogue).into_iter().filter(|mutant| all || mutant.kind == MutantKind::Drop) {
        let Some(index) = catalogue.index(&mutant.index) else { continue };
        let is_documented = documented.contains(&&*mutant.index);
        // A mutant may be noticed by any case on the table; an index that goes is missed by those that use it.
        let concerned = light.those(|one| match all || is_documented {
            true => touches(one, &index.table),
            false => uses(one, &mutant.index),
        });
        let mut killed_by = KilledBy::Unjudged;
        let is_decided_by_one = !all && !is_documented;
        if let Some(trial) = Trial::of(light.site, &mutant, concerned, is_decided_by_one).await? {
            if mutant.kind == MutantKind::Drop {
                ablated.note(index, is_documented, &trial);
            }
            killed_by = trial.killed_by();
            if all && !killed_by.is_kill() {
                killed_by = killed_by.and(trial.settled().await.with_context(|| on(&mutant))?);
            }
        }
        if all && !killed_by.is_kill() {
            let concerned = heavy.those(|one| touches(one, &index.table));
            let trial = Trial::of(heavy.site, &mutant, concerned, false).await?;
            killed_by = killed_by.and(trial.map_or(KilledBy::Unjudged, |trial| trial.killed_by()));
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

impl<'a> Ground<'a> {
    fn those(&self, is_concerned: impl Fn(&Judged) -> bool) -> Vec<&'a Measurement> {
        self.measured.iter().copied().filter(|one| is_concerned(&one.judged)).collect()
    }
}

/// Whether a case has `index` in one of its plans.
fn uses(judged: &Judged, index: &str) -> bool {
    judged.statements.iter().any(|statement| statement.indexes().iter().any(|used| *used == index))
}

/// Whether a case reads or writes `table`.
fn touches(judged: &Judged, table: &str) -> bool {
    judged.statements.iter().any(|statement| statement.touches(table))
}

/// The step of an error.
fn on(mutant: &Mutant) -> String {
    format!("replays on the schema with the mutant `{}`", mutant.name)
}

/// Cases replayed on a schema that was changed by one index.
struct Trial<'a> {
    concerned: Vec<&'a Measurement>,
    /// Of each of them, what its statements did on the changed schema.
    replayed: Vec<Replayed>,
    pristine: ReplayDatabase,
    _clone: TestDatabase,
}

type Replayed = (Judged, Vec<Result<Measured, Refused>>);

impl<'a> Trial<'a> {
    /// Replays `concerned`, or, if it `is_decided_by_one`, those that read least up to the first that misses the index
    /// by far: without it, each may read whole tables again and again. `None` when no case is concerned.
    async fn of(
        site: &Site,
        mutant: &Mutant,
        mut concerned: Vec<&'a Measurement>,
        is_decided_by_one: bool,
    ) -> Result<Option<Self>> {
        if concerned.is_empty() {
            return Ok(None);
        }
        let (_clone, mut pristine) = site.pristine().await.with_context(|| on(mutant))?;
        mutant.apply(pristine.client()).await?;
        pristine.refresh().await.with_context(|| on(mutant))?;
        if is_decided_by_one {
            concerned.sort_by_key(|one| pages(&one.judged));
        }
        let replayed = replay(&pristine, &concerned, is_decided_by_one).await.with_context(|| on(mutant))?;
        concerned.truncate(replayed.len());
        Ok(Some(Self { concerned, replayed, pristine, _clone }))
    }

    fn before(&self, pages: fn(&StatementOutcome) -> u64) -> Vec<Measured> {
        self.concerned.iter().flat_map(|one| statements(&one.judged, pages)).collect()
    }

    fn after(&self) -> Vec<Result<Measured, Refused>> {
        self.replayed.iter().flat_map(|(_, statements)| statements.clone()).collect()
    }

    fn killed_by(&self) -> KilledBy {
        judge_mutant(&self.before(|one| one.buffers), &self.after(), Bound::GROWTH)
    }

    /// The same by the plans that the server settles on: an index can be as it is for the sake of the plan for all values,
    /// which a replay with the values of a case never meets.
    async fn settled(self) -> Result<KilledBy> {
        let pages = |one: &StatementOutcome| one.settled_buffers();
        let before = self.before(pages);
        let again = |(one, (judged, _)): (&&Measurement, Replayed)| Measurement {
            run: one.run.clone(),
            judged,
            is_heavy: one.is_heavy,
        };
        let mut after: Vec<Measurement> = self.concerned.iter().zip(self.replayed).map(again).collect();
        settle(&self.pristine, &mut after).await?;
        let after: Vec<_> = after.iter().flat_map(|one| statements(&one.judged, pages)).map(Ok).collect();
        Ok(judge_mutant(&before, &after, Bound::GROWTH))
    }

    /// Bytes of log for each row written to the table of `index` that its upkeep costs, by the case that writes the most.
    fn wal_per_row(&self, index: &Index) -> Option<u64> {
        let of_case = |(one, (judged, _)): (&&Measurement, &Replayed)| {
            let pairs = || one.judged.statements.iter().zip(&judged.statements);
            let writing = || pairs().filter(|(with, _)| with.rows_written(&index.table) > 0);
            let rows: u64 = writing().map(|(with, _)| with.rows_written(&index.table)).sum();
            let with: u64 = writing().map(|(with, _)| with.wal_bytes).sum();
            let without: u64 = writing().map(|(_, without)| without.wal_bytes).sum();
            Some((rows, with.saturating_sub(without).checked_div(rows)?))
        };
        self.concerned.iter().zip(&self.replayed).filter_map(of_case).max().map(|(_, bytes)| bytes)
    }
}

impl Ablated {
    /// Takes down what the cases miss without `index`.
    fn note(&mut self, index: &Index, is_documented: bool, trial: &Trial<'_>) {
        let (before, after) = (trial.before(|one| one.buffers), trial.after());
        if !is_documented && !index.is_enforcing() {
            self.findings.extend(judge_ablation(&index.name, &before, &after));
        }
        self.rows.extend(row(&index.name, &before, &after));
        self.wal.extend(trial.wal_per_row(index).map(|bytes| (index.name.clone(), bytes)));
    }
}

/// Pages of all statements of a case.
fn pages(judged: &Judged) -> u64 {
    judged.statements.iter().map(|statement| statement.buffers).sum()
}

async fn replay(
    changed: &ReplayDatabase,
    concerned: &[&Measurement],
    is_decided_by_one: bool,
) -> Result<Vec<Replayed>> {
    let mut replayed = Vec::new();
    for one in concerned {
        let judged = judge(changed, &one.run).await?;
        let each = if is_refused(&judged, &one.judged) {
            vec![Err(refused(&one.run, &judged))]
        } else {
            statements(&judged, |one| one.buffers).into_iter().map(Ok).collect()
        };
        let is_decided = is_decided_by_one && pages(&judged) >= DECISIVE * pages(&one.judged).max(1);
        replayed.push((judged, each));
        if is_decided {
            break;
        }
    }
    Ok(replayed)
}

fn is_same(one: &Measured, other: &Measured) -> bool {
    (&one.operation, &one.case, one.statement) == (&other.operation, &other.case, other.statement)
}

fn is_refused(judged: &Judged, before: &Judged) -> bool {
    judged.statements.len() < before.statements.len()
}

fn refused(run: &Run, judged: &Judged) -> Refused {
    let why = judged.findings.iter().find(|finding| finding.rule == Rule::Replay);
    Refused {
        operation: run.contract.operation.clone(),
        case: run.case.clone(),
        statement: judged.statements.len(),
        message: why.map(|finding| finding.found.clone()).unwrap_or_default(),
    }
}

/// The statements of a case, each with its `pages` and the findings that name it; those that name none go to the first.
fn statements(judged: &Judged, pages: fn(&StatementOutcome) -> u64) -> Vec<Measured> {
    let of = |(place, statement): (usize, &StatementOutcome)| {
        let own = |finding: &&Finding| {
            finding.statement == statement.sql || (finding.statement.is_empty() && place == 0)
        };
        let findings: Vec<&Finding> = judged.findings.iter().filter(own).collect();
        let is_forbidden = |finding: &&&Finding| matches!(finding.rule, Rule::Unserved | Rule::Wasteful);
        Measured {
            operation: judged.contract.operation.clone(),
            case: judged.case.clone(),
            statement: place,
            buffers: pages(statement),
            writes: statement.wal_bytes > 0,
            indexes: statement.indexes().into_iter().cloned().collect(),
            findings: findings.len(),
            forbidden: findings.iter().filter(is_forbidden).count(),
        }
    };
    judged.statements.iter().enumerate().map(of).collect()
}

/// The case that misses `index` most.
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
