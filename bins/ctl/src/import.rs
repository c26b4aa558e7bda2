//! `import`: public data from files into tables.

use anyhow::Context;
use clap::Subcommand;
use flate2::read::MultiGzDecoder;
use indicatif::{ProgressBar, ProgressStyle};
use std::fs::File;
use std::io::{BufReader, IsTerminal, Read, stderr};
use std::path::{Path, PathBuf};
use steadfast_repository::Store;
use steadfast_services::terminology::{import_icd10cm, read_icd10cm};

/// Data to import.
#[derive(Subcommand)]
pub(crate) enum Import {
    /// The ICD-10-CM table, as CSV, plain or as .gz. Safe to repeat, also after one that was cut off.
    Icd10cm {
        /// The file.
        file: PathBuf,
    },
}

impl Import {
    /// Imports and prints what was done.
    pub(crate) async fn run(self, store: &Store) -> anyhow::Result<()> {
        let Self::Icd10cm { file } = self;
        let rows = read_icd10cm(open(&file)?).with_context(|| file.display().to_string())?;
        let bar = progress_bar(rows.len() as u64)?;
        let imported = import_icd10cm(store, &rows, |done| bar.set_position(done as u64)).await?;
        bar.finish_and_clear();
        println!("{} rows: {} written, {} retired", imported.rows, imported.written, imported.retired);
        Ok(())
    }
}

fn open(file: &Path) -> anyhow::Result<Box<dyn Read>> {
    let reader = BufReader::new(File::open(file).with_context(|| format!("cannot open {}", file.display()))?);
    let is_compressed = file.extension().is_some_and(|extension| extension == "gz");
    Ok(if is_compressed { Box::new(MultiGzDecoder::new(reader)) } else { Box::new(reader) })
}

/// A bar on a terminal; elsewhere the closing line says enough.
fn progress_bar(rows: u64) -> anyhow::Result<ProgressBar> {
    if !stderr().is_terminal() {
        return Ok(ProgressBar::hidden());
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} rows, {eta} left")?;
    Ok(ProgressBar::new(rows).with_style(style))
}
