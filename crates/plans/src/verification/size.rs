//! One size of the data: the program runs on one copy of it, replays run on another.

use super::Failure;
use super::databases::Databases;
use crate::replay::one_line;
use crate::{Contract, Error, Judged, Recorder, ReplayDatabase, Run, Sequences, judge};
use steadfast_postgres::Captured;
use steadfast_postgres::diesel_async::AsyncPgConnection;

/// Three databases: the one that was built and nobody touches again, the program's, and the replays'.
#[derive(Debug)]
pub(super) struct Size {
    databases: Databases,
    name: &'static str,
    pub(super) database: ReplayDatabase,
    /// Where the sequences stand in each of the three before anything has run.
    sequences: Sequences,
    recorder: Recorder,
    /// Whether the program's copy may differ from what was built.
    is_used: bool,
    pub(super) runs: Vec<Run>,
}

impl Size {
    pub(super) async fn build<E: Into<Failure>>(
        databases: &Databases,
        name: &'static str,
        build: impl AsyncFnOnce(&str) -> Result<(), E>,
    ) -> Result<Self, Error> {
        databases.create(name).await?;
        let built = build(&databases.url(name)).await;
        built.map_err(Error::program(format!("the {name} database could not be built")))?;
        let settled = databases.settle(name).await;
        settled.map_err(Error::during(|| format!("preparation of the {name} database")))?;
        let replay = format!("{name}_replay");
        databases.copy(&replay, name).await?;
        let database = ReplayDatabase::connect(&databases.url(&replay)).await?;
        let sequences = Sequences::read(&database).await?;
        let (databases, recorder) = (databases.clone(), Recorder::new());
        Ok(Self { databases, name, database, sequences, recorder, is_used: true, runs: Vec::new() })
    }

    /// Runs `program` and keeps what it sends.
    pub(super) async fn run<T, E: Into<Failure>>(
        &mut self,
        contract: &Contract,
        case: &str,
        program: impl AsyncFn(&mut AsyncPgConnection) -> Result<T, E>,
    ) -> Result<(), Error> {
        let role = format!("{}_program", self.name);
        if self.is_used {
            self.databases.copy(&role, self.name).await?;
        }
        let mut conn = self.recorder.connect(&self.databases.url(&role)).await?;
        self.recorder.start();
        let outcome = program(&mut conn).await;
        let captured = self.recorder.take();
        let refused = captured.refusal.as_ref();
        let refused = refused.map(|refusal| format!(", in `{}`", one_line(&refusal.sql))).unwrap_or_default();
        let failed = format!("{} [{case}] failed on the {} database{refused}", contract.operation, self.name);
        outcome.map_err(Error::program(failed))?;
        self.is_used = !only_reads(&captured);
        let run = Run::new(contract.clone(), case, captured).sequences(self.sequences.clone());
        self.runs.push(run);
        Ok(())
    }

    /// The cases of one operation one after another, whatever the order in which they ran.
    pub(super) fn sort(&mut self) {
        self.runs.sort_by(|a, b| a.contract.operation.cmp(&b.contract.operation));
    }

    pub(super) async fn judge(&self) -> Result<Vec<Judged>, Error> {
        let mut judged = Vec::new();
        for run in &self.runs {
            judged.push(judge(&self.database, run).await?);
        }
        Ok(judged)
    }
}

/// By the server's own word. A function that writes behind a SELECT is not seen.
fn only_reads(captured: &Captured) -> bool {
    captured.missing == 0
        && captured.own().all(|statement| statement.tags.iter().all(|tag| tag.starts_with("SELECT")))
}
