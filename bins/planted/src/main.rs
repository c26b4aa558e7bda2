//! Self-test of the verification: plants faults in a small service and checks that each is found under its rule.

mod faults;
mod operation;
mod rounds;
mod schema;
mod shop;

use std::process::ExitCode;

/// Exits with 0 if every fault is found and nothing else, with 1 if not, and with 2 if no verdict was reached.
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
