//! Proves, on a server of its own, that every operation is served by its index and that every index is needed.

mod ablation;
mod coverage;
mod facts;
mod measure;
mod options;
mod rows;
mod site;
mod ties;
mod verify;

use anyhow::Context;
use clap::Parser;
use options::Options;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Options::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether nothing was found.
async fn run(options: &Options) -> anyhow::Result<bool> {
    let report = verify::verify(options).await?.sorted();
    if let Some(path) = &options.json {
        std::fs::write(path, report.to_json()?)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    if let Some(path) = &options.markdown {
        std::fs::write(path, report.to_markdown())
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    println!("{report}");
    Ok(report.is_clean())
}
