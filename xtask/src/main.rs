//! The task runner of the project: `cargo xtask COMMAND`. One file per command.

mod bench;
mod cargo;
mod down;
mod migrate;
mod schema;
mod seed;
mod test;
mod tidy;
mod up;
mod verify_indexes;
mod workspace;

use clap::Parser;
use std::process::ExitCode;
use workspace::Workspace;

/// Tasks of the project. Each command does its own set-up.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Command {
    /// Start the stack on this machine: database, Redis, PIDKey sandbox, API
    Up(up::Arguments),
    /// Stop what `up` and the tests started; keep the data
    Down(down::Arguments),
    /// Apply the migrations to a database
    Migrate(migrate::Arguments),
    /// Generate the diesel schema from a migrated database
    Schema(schema::Arguments),
    /// Replace the data of a database by generated data for measurements
    Seed(seed::Arguments),
    /// Check the project conventions
    Tidy,
    /// Run everything that must hold before a change is merged
    Test(test::Arguments),
    /// Prove that every operation is served by its index, and that every index is needed
    VerifyIndexes(verify_indexes::Arguments),
    /// Compare the cost of the library with alternatives
    Bench(bench::Arguments),
}

fn main() -> ExitCode {
    match run(&Command::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            let failed = error.downcast_ref::<test::CommandFailed>();
            let code = failed.and_then(|failed| u8::try_from(failed.0.code()?).ok());
            code.map_or(ExitCode::FAILURE, ExitCode::from)
        }
    }
}

fn run(command: &Command) -> anyhow::Result<()> {
    let workspace = Workspace::find()?;
    match command {
        Command::Up(arguments) => up::run(&workspace, arguments),
        Command::Down(arguments) => down::run(&workspace, arguments),
        Command::Migrate(arguments) => migrate::run(&workspace, arguments),
        Command::Schema(arguments) => schema::run(&workspace, arguments),
        Command::Seed(arguments) => seed::run(&workspace, arguments),
        Command::Tidy => tidy::run(&workspace),
        Command::Test(arguments) => test::run(&workspace, arguments),
        Command::VerifyIndexes(arguments) => verify_indexes::run(&workspace, arguments),
        Command::Bench(arguments) => bench::run(&workspace, arguments),
    }
}
