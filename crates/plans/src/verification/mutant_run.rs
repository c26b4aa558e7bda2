//! Replays of cases on a schema in which one index is changed.

use super::measurement::{Measurement, settle};
use super::seeded::SeededDatabase;
use crate::{
    Bound, Error, Finding, Index, Judged, KilledBy, Measured, Mutant, Refused, ReplayDatabase, Rule, Run,
    StatementOutcome, judge, judge_mutant,
};

/// Factor between the pages without and with an index that proves its worth by one case alone.
const DECISIVE: u64 = 10;

/// Cases replayed on a schema in which one index is changed.
pub(super) struct MutantRun<'a> {
    cases: Vec<&'a Measurement>,
    /// For each case the verdict, and its statements on the changed schema.
    replayed: Vec<Replayed>,
    database: ReplayDatabase,
}

type Replayed = (Judged, Vec<Result<Measured, Refused>>);

/// Returns the name of the step, for errors.
pub(super) fn named(mutant: &Mutant) -> String {
    format!("replays on the schema with the mutant `{}`", mutant.name)
}

impl<'a> MutantRun<'a> {
    /// Replays `cases`, or returns `None` if there are none. If one case `is_decisive`, they are replayed in the order of
    /// their pages up to the first that reads ten times as many: without its index, a case may read whole tables over
    /// and over.
    pub(super) async fn of(
        database: &SeededDatabase,
        mutant: &Mutant,
        mut cases: Vec<&'a Measurement>,
        is_decisive: bool,
    ) -> Result<Option<Self>, Error> {
        if cases.is_empty() {
            return Ok(None);
        }
        let mut database = database.mutable_copy().await.map_err(Error::during(|| named(mutant)))?;
        mutant.apply(database.client()).await?;
        database.refresh().await.map_err(Error::during(|| named(mutant)))?;
        if is_decisive {
            cases.sort_by_key(|one| pages(&one.judged));
        }
        let replayed = replay(&database, &cases, is_decisive).await;
        let replayed = replayed.map_err(Error::during(|| named(mutant)))?;
        cases.truncate(replayed.len());
        Ok(Some(Self { cases, replayed, database }))
    }

    /// Returns the statements on the schema as it is.
    pub(super) fn before(&self) -> Vec<Measured> {
        self.cases.iter().flat_map(|one| statements(&one.judged, |one| one.buffers)).collect()
    }

    /// Returns the statements on the changed schema.
    pub(super) fn after(&self) -> Vec<Result<Measured, Refused>> {
        self.replayed.iter().flat_map(|(_, statements)| statements.clone()).collect()
    }

    pub(super) fn killed_by(&self) -> KilledBy {
        judge_mutant(&self.before(), &self.after(), Bound::GROWTH)
    }

    /// Judges the plans that the server settles on. An index can have its shape for the sake of the generic plan, which a
    /// replay with the values of a case does not use.
    pub(super) async fn settled(self) -> Result<KilledBy, Error> {
        let pages = |one: &StatementOutcome| one.settled_buffers();
        let before: Vec<_> = self.cases.iter().flat_map(|one| statements(&one.judged, pages)).collect();
        let changed =
            |(one, (judged, _)): (&&Measurement, Replayed)| Measurement { judged, ..(*one).clone() };
        let mut after: Vec<Measurement> = self.cases.iter().zip(self.replayed).map(changed).collect();
        after.sort_by(|a, b| a.run.contract.operation.cmp(&b.run.contract.operation));
        settle(&self.database, &mut after).await?;
        let after: Vec<_> = after.iter().flat_map(|one| statements(&one.judged, pages)).map(Ok).collect();
        Ok(judge_mutant(&before, &after, Bound::GROWTH))
    }

    /// Returns the bytes of write-ahead log that `index` adds to each row written to its table, by the case that writes
    /// most.
    pub(super) fn wal_per_row(&self, index: &Index) -> Option<u64> {
        let of_case = |(one, (judged, _)): (&&Measurement, &Replayed)| {
            let pairs = || one.judged.statements.iter().zip(&judged.statements);
            let writing = || pairs().filter(|(with, _)| with.rows_written(&index.table) > 0);
            let rows: u64 = writing().map(|(with, _)| with.rows_written(&index.table)).sum();
            let with: u64 = writing().map(|(with, _)| with.wal_bytes).sum();
            let without: u64 = writing().map(|(_, without)| without.wal_bytes).sum();
            Some((rows, with.saturating_sub(without).checked_div(rows)?))
        };
        self.cases.iter().zip(&self.replayed).filter_map(of_case).max().map(|(_, bytes)| bytes)
    }
}

/// Returns the pages of all statements of a case.
fn pages(judged: &Judged) -> u64 {
    judged.statements.iter().map(|statement| statement.buffers).sum()
}

async fn replay(
    database: &ReplayDatabase,
    cases: &[&Measurement],
    is_decisive: bool,
) -> Result<Vec<Replayed>, Error> {
    let mut replayed = Vec::new();
    for one in cases {
        let judged = judge(database, &one.run).await?;
        let is_refused = judged.statements.len() < one.judged.statements.len();
        let each = if is_refused {
            vec![Err(refused(&one.run, &judged))]
        } else {
            statements(&judged, |one| one.buffers).into_iter().map(Ok).collect()
        };
        let is_decided = is_decisive && pages(&judged) >= DECISIVE * pages(&one.judged).max(1);
        replayed.push((judged, each));
        if is_decided {
            break;
        }
    }
    Ok(replayed)
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

/// Returns the statements of a case with their `pages`. Findings that name no statement belong to the first.
fn statements(judged: &Judged, pages: fn(&StatementOutcome) -> u64) -> Vec<Measured> {
    let of = |(position, statement): (usize, &StatementOutcome)| {
        let own = |finding: &&Finding| {
            finding.statement == statement.sql || (finding.statement.is_empty() && position == 0)
        };
        let findings: Vec<&Finding> = judged.findings.iter().filter(own).collect();
        let is_forbidden = |finding: &&&Finding| matches!(finding.rule, Rule::Unserved | Rule::Wasteful);
        Measured {
            operation: judged.contract.operation.clone(),
            case: judged.case.clone(),
            statement: position,
            buffers: pages(statement),
            writes: statement.wal_bytes > 0,
            indexes: statement.indexes().into_iter().cloned().collect(),
            findings: findings.len(),
            forbidden: findings.iter().filter(is_forbidden).count(),
        }
    };
    judged.statements.iter().enumerate().map(of).collect()
}
