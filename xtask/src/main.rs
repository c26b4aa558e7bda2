//! The project's task runner: `cargo xtask COMMAND`. One file a command; this one only says which there are.

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

use clap::{Parser, Subcommand};
use std::process::ExitCode;
use workspace::Workspace;

/// The project's own commands. Each does its own set-up.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the whole stack on this machine: database, PIDKey stand-in, API.
    Up(up::Arguments),
    /// Stop what `up` and the tests started. The data stays.
    Down(down::Arguments),
    /// Apply the migrations to a database.
    Migrate(migrate::Arguments),
    /// Write the tables' Rust form from the catalogue of a migrated database.
    Schema(schema::Arguments),
    /// Replace what is in a database by made-up data to measure on.
    Seed(seed::Arguments),
    /// Check the house rules that a machine can check.
    Tidy,
    /// Run everything that must hold before a change is merged.
    Test(test::Arguments),
    /// Prove that every operation is served by its index, and that every index is needed.
    VerifyIndexes(verify_indexes::Arguments),
    /// Measure what something costs, beside others of its kind.
    Bench(bench::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            test::exit_code(&error).map_or(ExitCode::FAILURE, ExitCode::from)
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    let workspace = Workspace::find()?;
    match command {
        Command::Up(arguments) => up::run(&workspace, &arguments),
        Command::Down(arguments) => down::run(&workspace, &arguments),
        Command::Migrate(arguments) => migrate::run(&workspace, &arguments),
        Command::Schema(arguments) => schema::run(&workspace, &arguments),
        Command::Seed(arguments) => seed::run(&workspace, &arguments),
        Command::Tidy => tidy::run(&workspace),
        Command::Test(arguments) => test::run(&workspace, &arguments),
        Command::VerifyIndexes(arguments) => verify_indexes::run(&workspace, &arguments),
        Command::Bench(arguments) => bench::run(&workspace, &arguments),
    }
}
