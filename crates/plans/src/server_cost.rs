//! Cost of a unit of work on the server.

use crate::error::Error;
use crate::explain::Explained;
use crate::replay::{one_line, unreadable};
use crate::replay_database::ReplayDatabase;
use crate::steps::{self, Step};
use std::time::Duration;
use steadfast_postgres::Captured;

/// Cost of a unit of work on the server, without the network and the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServerCost {
    /// Time of planning and execution of all statements. Programs that prepare their statements save most of the
    /// planning.
    pub time: Duration,
    /// Pages that the execution read, from memory or disk.
    pub buffers: u64,
}

impl ReplayDatabase {
    /// Executes captured statements once more under EXPLAIN, in a transaction that is rolled back, and returns their
    /// cost. Dead rows of earlier calls stay, so vacuum after thousands of measured writes.
    ///
    /// # Errors
    /// Returns [`Error::Database`] if the server does not execute a statement, and [`Error::Program`] if a captured
    /// statement cannot be repeated.
    pub async fn measure(&self, captured: &Captured) -> Result<ServerCost, Error> {
        self.run("BEGIN").await?;
        let measured = self.measure_all(captured).await;
        self.run("ROLLBACK").await?;
        measured
    }

    async fn measure_all(&self, captured: &Captured) -> Result<ServerCost, Error> {
        let mut all = ServerCost::default();
        for step in steps::of(captured) {
            match step {
                Step::Plain(_, sql) => self.run(&sql).await?,
                Step::Refused(statement, why) => return Err(Error::program(one_line(&statement.sql))(why)),
                Step::Explain(statement) => {
                    let json = self.explain_json(statement).await;
                    let json = json.map_err(Error::database("measure a statement"))?;
                    let milliseconds = |field: &str| json[0][field].as_f64().unwrap_or_default();
                    let time = milliseconds("Planning Time") + milliseconds("Execution Time");
                    all.time += Duration::from_secs_f64(time / 1_000.0);
                    all.buffers +=
                        Explained::parse(&json).map_err(|cause| unreadable(statement, cause))?.buffers();
                }
            }
        }
        Ok(all)
    }
}
