//! `audit`: verifies the audit trail.

use anyhow::bail;
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, stderr};
use steadfast_domain::audit::seals::NotedSeal;
use steadfast_domain::page::NUMBERED_MAX;
use steadfast_repository::Store;
use steadfast_services::audit::{Event, Verified, verify};

/// Actions on the audit trail.
#[derive(Subcommand)]
pub(crate) enum Audit {
    /// Compares the rows of the trail with their seals, and names each row and seal that was changed, removed or inserted;
    /// exit code 1 if there is any.
    Verify {
        /// Seal from the log of a server (`last seal of the audit trail`), which must have the same hash. Reveals that all
        /// seals were computed anew, or the last ones removed.
        #[arg(long, value_name = "NUMBER:HASH")]
        expect: Option<NotedSeal>,
    },
}

impl Audit {
    /// Runs the action and prints the outcome.
    pub(crate) async fn run(self, store: &Store) -> anyhow::Result<()> {
        let Self::Verify { expect } = self;
        let bar = progress_bar()?;
        let verified = verify(store, expect, |event| match event {
            Event::Progress { done, all } => {
                bar.set_length(all.unsigned_abs());
                bar.set_position(done.unsigned_abs());
            }
            Event::Found(finding) => bar.suspend(|| println!("{finding}")),
        });
        let Verified { findings, intact, detached, attached_since, unsealed, end } = verified.await?;
        bar.finish_and_clear();
        println!("{intact} rows are as they were sealed");
        if detached > 0 {
            println!("{detached} rows from before {} were skipped: detached", attached_since.date_naive());
        }
        let more_than = if unsealed > NUMBERED_MAX.into() { "more than " } else { "" };
        println!("{more_than}{} rows are not sealed yet", unsealed.min(NUMBERED_MAX.into()));
        if end.number > 0 {
            println!("last seal: {}", NotedSeal { number: end.number, hash: end.hash });
        }
        if findings > 0 {
            bail!("the audit trail was altered: {findings} findings");
        }
        Ok(())
    }
}

/// Returns a progress bar, hidden unless standard error is a terminal.
fn progress_bar() -> anyhow::Result<ProgressBar> {
    if !stderr().is_terminal() {
        return Ok(ProgressBar::hidden());
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} seals, {eta} left")?;
    Ok(ProgressBar::new(0).with_style(style))
}
