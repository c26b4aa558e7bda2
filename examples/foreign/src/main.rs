//! Proves how the queries of the catalogue are served. `DATABASE_URL` names a database of a superuser.
//!
//! The exit code is 0 when there is nothing to mend, 1 when there is, and 2 when that could not be found out.

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
    let url = std::env::var("DATABASE_URL").context("DATABASE_URL names no database")?;
    let verified = verify::verify(&url, fault).await?;
    println!("{verified}");
    Ok(verified.findings.is_empty())
}
