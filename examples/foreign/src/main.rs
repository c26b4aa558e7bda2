//! Verifies the queries of the catalogue. `DATABASE_URL` is the URL of a superuser.
//!
//! The exit code is 0 without findings, 1 with findings, and 2 if no verdict was reached.

mod database;
mod fault;
mod verify;

use anyhow::Context as _;
use fault::Fault;
use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(2)
        }
    }
}

async fn run() -> anyhow::Result<bool> {
    let fault = Fault::from_arguments(std::env::args().skip(1))?;
    let url = std::env::var("DATABASE_URL").context("DATABASE_URL is not set")?;
    let report = verify::verify(&url, fault).await?;
    println!("{report}");
    Ok(report.is_clean())
}
