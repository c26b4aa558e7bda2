//! Ablation and mutants: the cases are replayed on schemas that are wrong by one index, each on a clone of its own.

use crate::measure::{Measurement, settle};
use crate::site::Site;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use steadfast_plans::{
    AblationRow, Bound, Catalogue, Finding, Judged, KilledBy, Measured, MutantKind, MutantOutcome, Pristine,
    Refused, Rule, Run, Score, StatementOutcome, judge, judge_ablation, judge_mutant, mutants,
};

/// What came of the changed schemas.
#[derive(Default)]
pub(crate) struct Ablated {
    pub(crate) rows: Vec<AblationRow>,
    pub(crate) score: Option<Score>,
    pub(crate) findings: Vec<Finding>,
    /// Bytes of write-ahead log that each index adds to a row that is written, where a case writes to its table.
    pub(crate) wal: BTreeMap<String, u64>,
}

/// Drops each index in turn, or with `all` changes each in every way, and replays the cases that read or write its table.
/// Indexes that stand in `documented` need not be worth their upkeep.
pub(crate) async fn ablate(
    site: &Site,
    catalogue: &Catalogue,
    measured: &[Measurement],
    documented: &[&str],
    all: bool,
) -> Result<Ablated> {
    let mut ablated = Ablated::default();
    let mut outcomes = Vec::new();
    let light: Vec<&Measurement> = measured.iter().filter(|one| !one.is_heavy).collect();
    for mutant in mutants(catalogue).into_iter().filter(|mutant| all || mutant.kind == MutantKind::Drop) {
        let Some(index) = catalogue.index(&mutant.index) else { continue };
        // A mutant may be noticed by any case on the table; an index that goes is missed by those that use it.
        let is_concerned = |one: &&Measurement| match all || documented.contains(&&*mutant.index) {
            true => touches(&one.judged, &index.table),
            false => uses(&one.judged, &mutant.index),
        };
        let concerned: Vec<&Measurement> = light.iter().copied().filter(is_concerned).collect();
        if concerned.is_empty() {
            outcomes.push(MutantOutcome { killed_by: KilledBy::Equivalent, mutant });
            continue;
        }
        let (_clone, mut pristine) = site.pristine().await.with_context(|| mutant.name.clone())?;
        mutant.apply(pristine.client()).await?;
        pristine.refresh().await?;
        let before: Vec<Measured> =
            concerned.iter().flat_map(|one| statements(&one.judged, |one| one.buffers)).collect();
        let after = replay(&pristine, &concerned).await.with_context(|| mutant.name.clone())?;
        if mutant.kind == MutantKind::Drop {
            let demand = Demand { index: &mutant.index, documented, is_constraint: index.is_enforcing() };
            ablated.note(demand, &concerned, &before, &after);
        }
        let each: Vec<_> = after.iter().flat_map(|(_, statements)| statements.clone()).collect();
        let mut killed_by = judge_mutant(&before, &each, Bound::GROWTH);
        if all && matches!(killed_by, KilledBy::Equivalent | KilledBy::Survived) {
            killed_by =
                judge_settled(&pristine, &concerned, after).await.with_context(|| mutant.name.clone())?;
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

/// What an index is there for besides the cases.
struct Demand<'a> {
    index: &'a str,
    documented: &'a [&'a str],
    is_constraint: bool,
}

type Replayed = (Judged, Vec<Result<Measured, Refused>>);

impl Ablated {
    fn note(
        &mut self,
        Demand { index, documented, is_constraint }: Demand<'_>,
        concerned: &[&Measurement],
        before: &[Measured],
        replayed: &[Replayed],
    ) {
        let after: Vec<_> = replayed.iter().flat_map(|(_, statements)| statements.clone()).collect();
        if !documented.contains(&index) && !is_constraint {
            self.findings.extend(judge_ablation(index, before, &after));
        }
        self.rows.extend(row(index, before, &after));
        let wal = concerned.iter().zip(replayed).filter_map(|(one, (judged, _))| {
            let (with, without) = (wal(&one.judged), wal(judged));
            let rows: u64 = one.judged.statements.iter().map(|statement| statement.rows).sum();
            (rows > 0).then(|| with.saturating_sub(without) / rows)
        });
        self.wal.extend(wal.max().map(|bytes| (index.to_owned(), bytes)));
    }
}

fn wal(judged: &Judged) -> u64 {
    judged.statements.iter().map(|statement| statement.wal_bytes).sum()
}

fn uses(judged: &Judged, index: &str) -> bool {
    judged.statements.iter().any(|statement| statement.indexes().iter().any(|used| *used == index))
}

/// Whether a case reads or writes `table`.
fn touches(judged: &Judged, table: &str) -> bool {
    let bare = table.rsplit('.').next().unwrap_or(table);
    let is_it = |name: &str| name.rsplit('.').next() == Some(bare);
    judged.statements.iter().any(|statement| {
        statement.accesses.is_empty() || statement.accesses.iter().any(|access| is_it(&access.table))
    })
}

async fn replay(changed: &Pristine, concerned: &[&Measurement]) -> Result<Vec<Replayed>> {
    let mut replayed = Vec::new();
    for one in concerned {
        let judged = judge(changed, &one.run).await?;
        let each = if is_refused(&judged, &one.judged) {
            vec![Err(refused(&one.run, &judged))]
        } else {
            statements(&judged, |one| one.buffers).into_iter().map(Ok).collect()
        };
        replayed.push((judged, each));
    }
    Ok(replayed)
}

/// Judges a mutant that no replay noticed once more, by the plans that the server settles on: an index can be as it is
/// for the sake of the plan for all values, which a replay with the values of a case never meets.
async fn judge_settled(
    changed: &Pristine,
    concerned: &[&Measurement],
    replayed: Vec<Replayed>,
) -> Result<KilledBy> {
    let settled = |one: &StatementOutcome| one.settled_buffers();
    let again = |(one, (judged, _)): (&&Measurement, Replayed)| Measurement {
        run: one.run.clone(),
        judged,
        is_heavy: one.is_heavy,
    };
    let mut after: Vec<Measurement> = concerned.iter().zip(replayed).map(again).collect();
    settle(changed, &mut after).await?;
    let before: Vec<_> = concerned.iter().flat_map(|one| statements(&one.judged, settled)).collect();
    let after: Vec<_> = after.iter().flat_map(|one| statements(&one.judged, settled)).map(Ok).collect();
    Ok(judge_mutant(&before, &after, Bound::GROWTH))
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
