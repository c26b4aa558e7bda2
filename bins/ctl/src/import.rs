//! `import` and `rollback`: import a release of public data, or reactivate the previous one.

use crate::servers_cache::ServersCache;
use anyhow::Context;
use clap::Subcommand;
use flate2::read::MultiGzDecoder;
use indicatif::{ProgressBar, ProgressStyle};
use std::fs::File;
use std::io::{BufReader, IsTerminal, Read, stderr};
use std::path::{Path, PathBuf};
use steadfast_repository::Store;
use steadfast_repository::terminology::{Imported, roll_back};
use steadfast_services::terminology::{import_icd10cm, read_icd10cm};

/// Data to import.
#[derive(Subcommand)]
pub(crate) enum Import {
    /// A release of ICD-10-CM, as CSV, plain or as .gz. Readers see the previous release until the import is complete.
    /// Safe to repeat. With the servers' REDIS_URL in the environment, their cached answers are invalidated at once.
    Icd10cm {
        /// Path of the file.
        file: PathBuf,
    },
}

/// Data with a previous release.
#[derive(Subcommand)]
pub(crate) enum Rollback {
    /// Reactivates the previous release of ICD-10-CM. Running it twice restores the current one.
    Icd10cm,
}

impl Import {
    /// Imports the data and prints the outcome.
    pub(crate) async fn run(self, store: &Store) -> anyhow::Result<()> {
        let (Self::Icd10cm { file }, cache) = (self, ServersCache::of_environment()?);
        let rows = read_icd10cm(open(&file)?).with_context(|| file.display().to_string())?;
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let bar = progress_bar(rows.len() as u64)?;
        let imported = import_icd10cm(store, &name, &rows, |done| bar.set_position(done as u64)).await?;
        bar.finish_and_clear();
        match imported {
            Imported::Current => println!("{} rows: already in use", rows.len()),
            Imported::Switched { carried_over } => {
                println!("{} rows in use, {carried_over} former codes retained as inactive", rows.len());
                cache.forget_answers().await;
            }
        }
        Ok(())
    }
}

impl Rollback {
    /// Reactivates the previous release and prints its name.
    pub(crate) async fn run(self, store: &Store) -> anyhow::Result<()> {
        let (Self::Icd10cm, cache) = (self, ServersCache::of_environment()?);
        let release = roll_back(store).await?.context("there is no previous release of ICD-10-CM")?;
        println!("{} with {} codes is in use", release.name, release.codes);
        cache.forget_answers().await;
        Ok(())
    }
}

fn open(file: &Path) -> anyhow::Result<Box<dyn Read>> {
    let reader = BufReader::new(File::open(file).with_context(|| format!("cannot open {}", file.display()))?);
    let is_compressed = file.extension().is_some_and(|extension| extension == "gz");
    Ok(if is_compressed { Box::new(MultiGzDecoder::new(reader)) } else { Box::new(reader) })
}

/// Returns a progress bar, hidden unless standard error is a terminal.
fn progress_bar(rows: u64) -> anyhow::Result<ProgressBar> {
    if !stderr().is_terminal() {
        return Ok(ProgressBar::hidden());
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} rows, {eta} left")?;
    Ok(ProgressBar::new(rows).with_style(style))
}
