//! A seeded database of one size, and its copies: one for the program, one for replays, one for mutants.

use super::databases::Databases;
use super::{Case, Failure, ProgramDatabase};
use crate::replay::one_line;
use crate::{Error, Recorder, ReplayDatabase, Run, Sequences};
use steadfast_postgres::diesel_async::AsyncPgConnection;

/// A database as `build` left it, vacuumed and analysed. Only its copies are used.
#[derive(Debug)]
pub(super) struct SeededDatabase {
    databases: Databases,
    name: &'static str,
    pub(super) replays: ReplayDatabase,
    /// State of the sequences before any case.
    sequences: Sequences,
    recorder: Recorder,
    /// True if the program has a copy in which no case has changed anything.
    has_fresh_copy: bool,
    /// The cases that ran.
    pub(super) runs: Vec<RunCase>,
}

/// A case that ran.
#[derive(Clone, Debug)]
pub(super) struct RunCase {
    pub(super) run: Run,
    pub(super) is_heavy: bool,
}

impl SeededDatabase {
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
        let replays = copy(databases, name, "replay").await?;
        let sequences = Sequences::read(&replays).await?;
        let (databases, recorder) = (databases.clone(), Recorder::new());
        Ok(Self { databases, name, replays, sequences, recorder, has_fresh_copy: false, runs: Vec::new() })
    }

    /// Runs a case of a program that opens its own sessions.
    pub(super) async fn run<T, E: Into<Failure>>(
        &mut self,
        case: &Case,
        program: impl AsyncFn(&ProgramDatabase) -> Result<T, E>,
    ) -> Result<(), Error> {
        let database = self.program_database().await?;
        let before = self.databases.last_transaction().await?;
        self.recorder.start();
        let outcome = program(&database).await;
        self.finish(case, outcome, &before).await
    }

    /// Runs a case on a connection that is opened for it.
    pub(super) async fn run_connected<T, E: Into<Failure>>(
        &mut self,
        case: &Case,
        program: impl AsyncFn(&mut AsyncPgConnection) -> Result<T, E>,
    ) -> Result<(), Error> {
        let database = self.program_database().await?;
        let before = self.databases.last_transaction().await?;
        let mut conn = self.recorder.connect(&database.url).await?;
        self.recorder.start();
        let outcome = program(&mut conn).await;
        self.finish(case, outcome, &before).await
    }

    /// Returns a copy in which no case has changed anything.
    async fn program_database(&mut self) -> Result<ProgramDatabase, Error> {
        let role = format!("{}_program", self.name);
        if !self.has_fresh_copy {
            self.databases.copy(&role, self.name).await?;
            self.has_fresh_copy = true;
        }
        Ok(ProgramDatabase { url: self.databases.url(&role), recorder: self.recorder.clone() })
    }

    /// Stores what a case sent. `before` is the last transaction before the case.
    async fn finish<T, E: Into<Failure>>(
        &mut self,
        case: &Case,
        outcome: Result<T, E>,
        before: &str,
    ) -> Result<(), Error> {
        let captured = self.recorder.take();
        let refused = captured.refusal.as_ref();
        let refused = refused.map(|refusal| format!(", in `{}`", one_line(&refusal.sql))).unwrap_or_default();
        let Case { contract, name, expects, is_heavy } = case.clone();
        let failed = format!("{} [{name}] failed on the {} database{refused}", contract.operation, self.name);
        outcome.map_err(Error::program(failed))?;
        // Only transactions that write have an id, whatever function or trigger writes.
        self.has_fresh_copy = self.databases.last_transaction().await? == before;
        let run = Run::new(contract, name, captured).sequences(self.sequences.clone());
        self.runs.push(RunCase { run: Run { expects, ..run }, is_heavy });
        Ok(())
    }

    /// Replaces the database for replays by a new copy.
    pub(super) async fn renew_replays(&mut self) -> Result<(), Error> {
        self.replays = copy(&self.databases, self.name, "replay").await?;
        Ok(())
    }

    /// Returns a copy whose schema may be changed. It replaces the copy that was returned before.
    pub(super) async fn mutable_copy(&self) -> Result<ReplayDatabase, Error> {
        copy(&self.databases, self.name, "mutant").await
    }
}

async fn copy(databases: &Databases, name: &str, purpose: &str) -> Result<ReplayDatabase, Error> {
    let role = format!("{name}_{purpose}");
    databases.copy(&role, name).await?;
    ReplayDatabase::connect(&databases.url(&role)).await
}
