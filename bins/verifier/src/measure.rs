//! Running the cases on one clone and judging what they sent on another.

use crate::site::{Site, recorded_store};
use anyhow::{Context, Result};
use steadfast_plans::{Contract, Judged, Recorder, ReplayDatabase, Run, Sequences, judge, plan_kinds};
use steadfast_postgres::Kind;
use steadfast_repository::Store;
use steadfast_repository::cases::Case;
use steadfast_testkit::TestDatabase;

/// A case that was run, and what the replay showed.
pub(crate) struct Measurement {
    pub(crate) run: Run,
    pub(crate) judged: Judged,
    pub(crate) is_heavy: bool,
}

/// Runs and judges `cases` at the size of `site`.
pub(crate) async fn measure(site: &Site, cases: &[&Case]) -> Result<Vec<Measurement>> {
    let runs = run_all(site, cases).await?;
    let (_clone, pristine) = site.pristine().await?;
    let mut measured = Vec::new();
    for (run, case) in runs.into_iter().zip(cases) {
        let judged = judge(&pristine, &run).await?;
        measured.push(Measurement { run, judged, is_heavy: case.is_heavy });
    }
    Ok(measured)
}

/// Finds out for the cases of each operation together which plan the server settles on.
pub(crate) async fn settle(pristine: &ReplayDatabase, measured: &mut [Measurement]) -> Result<()> {
    measured.sort_by(|a, b| a.run.contract.operation.cmp(&b.run.contract.operation));
    for cases in measured.chunk_by_mut(|a, b| a.run.contract.operation == b.run.contract.operation) {
        let runs: Vec<_> = cases.iter().map(|one| one.run.clone()).collect();
        let mut judged: Vec<Judged> = cases.iter().map(|one| one.judged.clone()).collect();
        plan_kinds(pristine, &runs, &mut judged).await?;
        cases.iter_mut().zip(judged).for_each(|(one, judged)| one.judged = judged);
    }
    Ok(())
}

async fn run_all(site: &Site, cases: &[&Case]) -> Result<Vec<Run>> {
    let mut runs = Vec::new();
    let mut stage: Option<Stage> = None;
    for case in cases {
        let on = match stage.take() {
            Some(stage) => stage,
            None => Stage::set(site).await?,
        };
        runs.push(on.run(case).await?);
        // What a case wrote is not there for the next one, as it is not in the replay.
        if case.operation.kind() != Kind::Write && !case.is_heavy {
            stage = Some(on);
        }
    }
    Ok(runs)
}

/// A clone with the program on it, every session of which is written down.
struct Stage {
    store: Store,
    recorder: Recorder,
    looker: ReplayDatabase,
    _clone: TestDatabase,
}

impl Stage {
    async fn set(site: &Site) -> Result<Self> {
        let clone = site.clone().await?;
        let recorder = Recorder::new();
        let store = recorded_store(&clone.url(), &recorder)?;
        let looker = ReplayDatabase::connect(&clone.url()).await?;
        Ok(Self { store, recorder, looker, _clone: clone })
    }

    async fn run(&self, case: &Case) -> Result<Run> {
        let sequences = Sequences::read(&self.looker).await?;
        self.recorder.start();
        let outcome = case.run(&self.store).await;
        let captured = self.recorder.take();
        let refused = captured.refusal.as_ref().map(|refusal| format!(", in {refusal}")).unwrap_or_default();
        outcome.with_context(|| format!("{case:?} failed{refused}"))?;
        let contract = Contract::from(case.operation);
        Ok(Run::new(contract, case.name, captured).expects(case.served_by).sequences(sequences))
    }
}
