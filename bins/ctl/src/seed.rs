//! `seed`: generated data for measurements. Requires the feature of that name, which production builds lack.

use clap::{Args, value_parser};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::io::{IsTerminal, stderr};
use std::time::Instant;
use steadfast_repository::cases;

/// Arguments of `seed`.
#[derive(Args)]
pub(crate) struct Seed {
    /// Rows of the largest table, from 1000 to 10000000. The other tables have a proportional number.
    #[arg(long, value_name = "N", default_value = "10000", value_parser = value_parser!(u64).range(1_000..=10_000_000))]
    rows: u64,
}

impl Seed {
    /// Seeds the database at `url`, which must be marked as seedable, and prints the number of rows per table.
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

/// Returns a progress bar, hidden unless standard error is a terminal.
fn bar(table: &'static str, rows: u64, style: &ProgressStyle) -> ProgressBar {
    let bar = if stderr().is_terminal() { ProgressBar::new(rows) } else { ProgressBar::hidden() };
    bar.with_message(table).with_style(style.clone())
}
