//! Replay: captured statements are executed again under EXPLAIN, in one transaction that is rolled back.

use crate::activity::{Counters, TableActivity};
use crate::error::server_message;
use crate::explain::Explained;
use crate::foreign_keys::Behind;
use crate::replay_database::ReplayDatabase;
use crate::steps::{self, Step};
use crate::{Error, ExplainError};
use steadfast_postgres::{Captured, CapturedStatement, tokio_postgres};

/// Options of EXPLAIN. Timing is off, because it is slow and differs from run to run.
pub(crate) const EXPLAIN: &str = "EXPLAIN (ANALYZE, BUFFERS, WAL, VERBOSE, TIMING OFF, FORMAT JSON)";

/// Result of a replay.
#[derive(Debug, Default)]
pub(crate) struct Replay<'a> {
    pub(crate) ran: Vec<Ran<'a>>,
    /// Statements that could not be replayed, with the reasons.
    pub(crate) refused: Vec<(&'a CapturedStatement, String)>,
    /// True if rows were written.
    pub(crate) wrote: bool,
}

/// A replayed statement.
#[derive(Debug)]
pub(crate) struct Ran<'a> {
    pub(crate) statement: &'a CapturedStatement,
    pub(crate) explained: Explained,
    pub(crate) behind: Behind,
    pub(crate) touched: Vec<TableActivity>,
}

impl ReplayDatabase {
    /// Replays `captured` twice, each time rolled back. The first replay fills the session's caches, the second one
    /// counts.
    pub(crate) async fn replay<'a>(&self, captured: &'a Captured, before: &str) -> Result<Replay<'a>, Error> {
        let first = self.replay_once(captured, before).await?;
        if !first.refused.is_empty() {
            return Ok(first);
        }
        self.replay_once(captured, before).await
    }

    async fn replay_once<'a>(&self, captured: &'a Captured, before: &str) -> Result<Replay<'a>, Error> {
        let begun = self.begin(before, "").await?;
        let mut replay = Replay::default();
        let mut outcome = Ok(());
        for step in steps::of(captured) {
            outcome = self.step(step, &mut replay).await;
            if outcome.is_err() || !replay.refused.is_empty() {
                break;
            }
        }
        replay.wrote = self.roll_back(begun, outcome.is_err() || !replay.refused.is_empty()).await?;
        outcome?;
        Ok(replay)
    }

    async fn step<'a>(&self, step: Step<'a>, replay: &mut Replay<'a>) -> Result<(), Error> {
        match step {
            Step::Plain(statement, sql) => match self.client.batch_execute(&sql).await {
                Err(error) if error.as_db_error().is_some() => {
                    replay.refused.push((statement, server_message(&error)))
                }
                outcome => outcome.map_err(Error::database(format!("run `{sql}`")))?,
            },
            Step::Refused(statement, why) => replay.refused.push((statement, why.to_owned())),
            Step::Explain(statement) => match self.explain(statement, &mut replay.ran).await? {
                Ok(()) => {}
                Err(why) => replay.refused.push((statement, why)),
            },
        }
        Ok(())
    }

    /// Explains one statement. Returns the inner error if the server rejects the statement, which the program could
    /// execute.
    async fn explain<'a>(
        &self,
        statement: &'a CapturedStatement,
        ran: &mut Vec<Ran<'a>>,
    ) -> Result<Result<(), String>, Error> {
        let (before, counted) = (Behind::now(&self.client).await?, Counters::now(&self.client).await?);
        let json = match self.explain_json(statement).await {
            Ok(json) => json,
            Err(error) if error.as_db_error().is_some() => return Ok(Err(server_message(&error))),
            Err(error) => return Err(Error::database("replay a statement")(error)),
        };
        let explained = Explained::parse(&json).map_err(|source| unreadable(statement, source))?;
        let behind = Behind::now(&self.client).await?.since(&before).without(&explained, &self.facts);
        let touched = Counters::now(&self.client).await?.since(&counted);
        ran.push(Ran { statement, explained, behind, touched });
        Ok(Ok(()))
    }

    pub(crate) async fn explain_json(
        &self,
        statement: &CapturedStatement,
    ) -> Result<serde_json::Value, tokio_postgres::Error> {
        let prepared = self.prepare(&format!("{EXPLAIN} {}", statement.sql), statement).await?;
        self.explained(&prepared, statement).await
    }
}

pub(crate) fn unreadable(statement: &CapturedStatement, cause: ExplainError) -> Error {
    Error::Explain { statement: one_line(&statement.sql), cause }
}

/// Joins the lines of a statement.
pub(crate) fn one_line(sql: &str) -> String {
    sql.split_whitespace().collect::<Vec<_>>().join(" ")
}
