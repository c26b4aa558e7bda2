//! Verifies that every operation is served by its index and that every index is needed.

mod internal;

mod options;

mod seeds;

mod verify;

use anyhow::Context;
use clap::Parser;
use options::{GUIDE, Options};
use std::path::Path;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    if let Some(rule) = options.explain {
        println!("{rule}\n\n{}", rule.explanation());
        return ExitCode::SUCCESS;
    }
    match run(&options).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    folder
        .and_then(|()| std::fs::write(path, text))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Returns true if there are no findings.
async fn run(options: &Options) -> anyhow::Result<bool> {
    let report = verify::verify(options).await?.sorted();
    if let Some(path) = &options.json {
        write(path, &report.to_json()?)?;
    }
    if let Some(path) = &options.markdown {
        write(path, &report.to_markdown())?;
    }
    println!("{report}");
    if !report.is_clean() {
        println!("{GUIDE} says how to read a finding, and --explain RULE what its rule means");
    }
    Ok(report.is_clean())
}
