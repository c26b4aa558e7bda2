//! `cargo xtask test`: everything that must hold before a change is merged, with its own set-up. What CI runs is this.

mod programs;
mod server;
mod steps;

use crate::cargo::cargo;
use crate::workspace::Workspace;
use crate::{schema, tidy, verify_indexes};
use anyhow::Context as _;
use server::TestServer;
use std::cell::OnceCell;
use std::path::Path;
use std::process::{Command, Stdio};
use steadfast_testkit::SERVER_VARIABLE;
use steps::{CommandFailed, Step};

/// Every package, with what is off in production and has tests all the same.
const WHOLE: &str = "--workspace --features steadfast-ctl/seed,steadfast-postgres/record-binds";

/// Names the file in which the processes of the tests record which parameters were NULL.
const BINDS_VARIABLE: &str = "STEADFAST_BINDS";

/// What `test` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Faults last as long as the documented bounds say, not as long as it takes to see them
    #[arg(long)]
    long: bool,
    /// Passed on to the test runner, as in `cargo xtask test -- -p steadfast-http`.
    #[arg(last = true)]
    passed_on: Vec<String>,
}

/// Runs the steps in order, up to the first that fails, and prints what each took.
///
/// # Errors
/// The failed step's; [`exit_code`] tells what its command ended with.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> anyhow::Result<()> {
    // Started by its step and stopped when this function ends, whichever step that is.
    let server = OnceCell::new();
    let binds = workspace.state("binds");
    let on_server = |command: &mut Command| run_on(server.get(), command);
    let in_cargo = |words: &str| run_command(cargo(workspace).args(words.split(' ')));
    steps::run([
        Step::new("format", || in_cargo("fmt --all --check")),
        Step::new("tidy", || tidy::run(workspace)),
        Step::new("server", || start(workspace, &server)),
        Step::new("schema", || schema::check(workspace)),
        Step::new("clippy", || in_cargo(&format!("clippy {WHOLE} --all-targets --locked -- -D warnings"))),
        Step::new("tests", || {
            let mut tests = in_length(arguments.long, tests(workspace, &arguments.passed_on));
            empty(&binds)?;
            on_server(tests.env(BINDS_VARIABLE, &binds))
        }),
        Step::new("plans", || {
            // Without the feature nothing was recorded.
            let binds = (!selects_packages(&arguments.passed_on)).then_some(&*binds);
            on_server(&mut verify_indexes::after_tests(workspace, binds))
        }),
        Step::new("self-test", || on_server(&mut verify_indexes::self_test(workspace))),
        // With the same features as the tests, so that nothing is compiled once more.
        Step::new("doctests", || {
            on_server(cargo(workspace).args(format!("test {WHOLE} --doc --locked").split(' ')))
        }),
        Step::new("docs", || {
            let mut docs = cargo(workspace);
            run_command(
                docs.args(["doc", "--workspace", "--no-deps", "--locked"]).env("RUSTDOCFLAGS", "-D warnings"),
            )
        }),
    ])
}

/// The code that the command of a failed step ended with.
pub(crate) fn exit_code(error: &anyhow::Error) -> Option<u8> {
    error.downcast_ref::<CommandFailed>().and_then(CommandFailed::exit_code)
}

fn start(workspace: &Workspace, server: &OnceCell<TestServer>) -> anyhow::Result<()> {
    programs::provide()?;
    let started = TestServer::start(workspace)?;
    println!("server: {}", started.url());
    started.forget()?;
    server.set(started).ok().context("the server is started once")
}

/// Empties the record at `binds`, and removes the mark of an incomplete one.
fn empty(binds: &Path) -> anyhow::Result<()> {
    // There is none as a rule.
    _ = std::fs::remove_file(binds.with_extension("failed"));
    std::fs::write(binds, "").with_context(|| format!("cannot write {}", binds.display()))
}

/// Every test that nextest finds, or that `cargo test` finds on a machine without it. Documentation has its own step.
fn tests(workspace: &Workspace, passed_on: &[String]) -> Command {
    let mut command = cargo(workspace);
    if has_nextest(workspace) {
        command.args(["nextest", "run", "--profile", "ci", "--locked"]);
    } else {
        println!("tests: by cargo test; cargo-nextest would run them faster and end those that hang");
        // All targets but benchmarks, which take minutes.
        command.args(["test", "--locked", "--lib", "--bins", "--tests", "--examples"]);
    }
    // Beside it cargo would take no notice of the packages that were asked for.
    if !selects_packages(passed_on) {
        command.args(WHOLE.split(' '));
    }
    command.args(passed_on);
    command
}

/// The tests' own word for [`Arguments::long`].
fn in_length(long: bool, mut tests: Command) -> Command {
    tests.envs(long.then_some(("STEADFAST_LONG", "1")));
    tests
}

/// Whether there is a `-p` or `--package` among cargo's own arguments: what follows a `--` is the test binaries'.
fn selects_packages(passed_on: &[String]) -> bool {
    let mut own = passed_on.iter().take_while(|argument| *argument != "--");
    own.any(|argument| {
        argument.starts_with("-p") || argument == "--package" || argument.starts_with("--package=")
    })
}

fn has_nextest(workspace: &Workspace) -> bool {
    let asked =
        cargo(workspace).args(["nextest", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

fn run_on(server: Option<&TestServer>, command: &mut Command) -> anyhow::Result<()> {
    let server = server.context("the server is started before the tests")?;
    run_command(command.env(SERVER_VARIABLE, server.url()))
}

pub(crate) fn run_command(command: &mut Command) -> anyhow::Result<()> {
    let status =
        command.status().with_context(|| format!("cannot run {}", command.get_program().display()))?;
    if status.success() { Ok(()) } else { Err(CommandFailed { status }.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_workspace_is_tested_unless_packages_are_asked_for() {
        let workspace = Workspace::find().unwrap();
        for (passed_on, whole) in [
            ("", true),
            ("-p steadfast-http", false),
            ("-psteadfast-http", false),
            ("--package steadfast-http", false),
            ("--retries 2 --package=steadfast-http", false),
            ("--profile default", true),
            ("a_test -- -p", true),
        ] {
            let words: Vec<String> = passed_on.split_whitespace().map(str::to_owned).collect();
            let command = super::tests(&workspace, &words);
            assert_eq!(command.get_args().any(|word| word == "--workspace"), whole, "{passed_on}");
            assert!(words.iter().all(|word| command.get_args().any(|given| given == word.as_str())));
        }
    }
}
