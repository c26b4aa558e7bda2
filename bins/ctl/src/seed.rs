//! `seed`: made-up data to measure on. Only in builds with the feature of that name, so no server has it at hand.

use clap::{Args, value_parser};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::io::{IsTerminal, stderr};
use std::time::Instant;
use steadfast_repository::cases;

/// How much data.
#[derive(Args)]
pub(crate) struct Seed {
    /// Rows of the largest table, from 1000 to 10000000; the others have as many as fit to that.
    #[arg(long, value_name = "N", default_value = "10000", value_parser = value_parser!(u64).range(1_000..=10_000_000))]
    rows: u64,
}

impl Seed {
    /// Seeds the database at `url`, which must be marked for it, and prints what every table has now.
    pub(crate) async fn run(self, url: &str) -> anyhow::Result<()> {
        let (bars, mut tables) = (MultiProgress::new(), BTreeMap::new());
        let (started, style) =
            (Instant::now(), ProgressStyle::with_template("{msg:20} {bar:40} {pos}/{len} rows")?);
        cases::seed(url, self.rows, |table, done, all| {
            let bar = tables.entry(table).or_insert_with(|| bars.add(bar(table, all, &style)));
            bar.set_position(done);
        })
        .await?;
        for (table, bar) in tables {
            bar.finish_and_clear();
            println!("{table}: {} rows", bar.position());
        }
        println!("seeded in {:.1} s", started.elapsed().as_secs_f64());
        Ok(())
    }
}

/// A bar on a terminal; elsewhere the closing lines say enough.
fn bar(table: &'static str, rows: u64, style: &ProgressStyle) -> ProgressBar {
    let bar = if stderr().is_terminal() { ProgressBar::new(rows) } else { ProgressBar::hidden() };
    bar.with_message(table).with_style(style.clone())
}
