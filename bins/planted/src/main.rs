//! Plants faults in a small service and demands that the verification of its plans finds each under its rule.

mod faults;
mod operation;
mod rounds;
mod schema;
mod shop;

use std::process::ExitCode;

/// The exit code is 0 when every fault is found and nothing else, 1 when not, and 2 when that cannot be found out.
#[tokio::main]
async fn main() -> ExitCode {
    match rounds::run().await {
        Ok(outcome) => {
            println!("{outcome}");
            if outcome.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}
