//! `cargo xtask test`: everything that must hold before a change is merged, with its own set-up. CI runs this command.

mod server;

use crate::cargo::cargo;
use crate::workspace::Workspace;
use crate::{schema, tidy, verify_indexes};
use anyhow::Context as _;
use server::TestServer;
use std::cell::OnceCell;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;
use steadfast_testkit::SERVER_VARIABLE;

/// Every package, with the features that are off in production and have tests.
const WHOLE: &str = "--workspace --features steadfast-ctl/seed,steadfast-postgres/record-binds";

/// Names the file in which the test processes record which parameters were NULL.
const BINDS_VARIABLE: &str = "STEADFAST_BINDS";

/// Arguments of `test`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Let faults last as long as the documented bounds instead of as short as possible
    #[arg(long)]
    long: bool,
    /// Arguments for the test runner, as in `cargo xtask test -- -p steadfast-http`
    #[arg(last = true)]
    passed_on: Vec<String>,
}

/// The command of a step failed. It printed the reason itself.
#[derive(Debug, thiserror::Error)]
#[error("the command ended with {0}")]
pub(crate) struct CommandFailed(pub(crate) ExitStatus);

/// Runs the steps in order up to the first that fails, and prints the duration of each.
///
/// # Errors
/// Returns the error of the failed step; [`CommandFailed`] if its command failed.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> anyhow::Result<()> {
    // The server is started by its step and stopped when this function returns.
    let server = OnceCell::new();
    let binds = workspace.state("binds");
    let on_server = |command: &mut Command| run_on(server.get(), command);
    let in_cargo = |words: &str| run_command(cargo(workspace).args(words.split(' ')));
    run_steps(vec![
        ("format", Box::new(|| in_cargo("fmt --all --check"))),
        ("tidy", Box::new(|| tidy::run(workspace))),
        ("deny", Box::new(|| deny(workspace))),
        ("server", Box::new(|| start(workspace, &server))),
        ("schema", Box::new(|| schema::check(workspace))),
        ("clippy", Box::new(|| in_cargo(&format!("clippy {WHOLE} --all-targets --locked -- -D warnings")))),
        (
            "tests",
            Box::new(|| {
                // The file with this ending marks an incomplete record.
                _ = std::fs::remove_file(binds.with_extension("failed"));
                std::fs::write(&binds, "").with_context(|| format!("cannot write {}", binds.display()))?;
                let mut tests = tests(workspace, &arguments.passed_on);
                tests.envs(arguments.long.then_some(("STEADFAST_LONG", "1")));
                on_server(tests.env(BINDS_VARIABLE, &binds))
            }),
        ),
        (
            "plans",
            Box::new(|| {
                // Tests of selected packages run without the feature that records.
                let binds = (!selects_packages(&arguments.passed_on)).then_some(&*binds);
                on_server(&mut verify_indexes::after_tests(workspace, binds))
            }),
        ),
        ("self-test", Box::new(|| on_server(&mut verify_indexes::self_test(workspace)))),
        // The features are those of the tests, so that nothing is compiled again.
        (
            "doctests",
            Box::new(|| on_server(cargo(workspace).args(format!("test {WHOLE} --doc --locked").split(' ')))),
        ),
        (
            "docs",
            Box::new(|| {
                let mut docs = cargo(workspace);
                docs.args(["doc", "--workspace", "--no-deps", "--locked"]);
                run_command(docs.env("RUSTDOCFLAGS", "-D warnings"))
            }),
        ),
    ])
}

type Step<'a> = (&'static str, Box<dyn FnOnce() -> anyhow::Result<()> + 'a>);

fn run_steps(steps: Vec<Step<'_>>) -> anyhow::Result<()> {
    let (count, begun) = (steps.len(), Instant::now());
    let mut summary = String::new();
    let mut outcome = Ok(());
    for (index, (name, work)) in steps.into_iter().enumerate() {
        if outcome.is_err() {
            summary.push_str(&format!("{name:<10} not run\n"));
            continue;
        }
        println!("==> {}/{count} {name}", index + 1);
        let started = Instant::now();
        outcome = work().with_context(|| format!("{name} failed"));
        let word = if outcome.is_ok() { "passed" } else { "FAILED" };
        summary.push_str(&format!("{name:<10} {word:<8} {:>7.1} s\n", started.elapsed().as_secs_f64()));
    }
    println!("\n{summary}{:<19} {:>7.1} s", "total", begun.elapsed().as_secs_f64());
    outcome
}

fn start(workspace: &Workspace, server: &OnceCell<TestServer>) -> anyhow::Result<()> {
    server::install_programs(workspace)?;
    let started = TestServer::start(workspace)?;
    println!("server: {}", started.url());
    started.reset_statistics()?;
    server.set(started).ok().context("the server is started once")
}

/// Checks the licences, sources and duplicates of the dependencies.
fn deny(workspace: &Workspace) -> anyhow::Result<()> {
    if !has_command(workspace, "deny") {
        println!("deny: skipped, because cargo-deny is not installed: cargo install --locked cargo-deny");
        return Ok(());
    }
    run_command(cargo(workspace).args("deny check bans licenses sources".split(' ')))
}

/// Returns the command that runs the tests: nextest, or `cargo test` if it is missing. Documentation has its own step.
fn tests(workspace: &Workspace, passed_on: &[String]) -> Command {
    let mut command = cargo(workspace);
    if has_command(workspace, "nextest") {
        command.args(["nextest", "run", "--profile", "ci", "--locked"]);
    } else {
        println!("tests: by cargo test; cargo-nextest would be faster and would end tests that hang");
        // Benchmarks are omitted, because they take minutes.
        command.args(["test", "--locked", "--lib", "--bins", "--tests", "--examples"]);
    }
    // With --workspace cargo would ignore the selected packages.
    if !selects_packages(passed_on) {
        command.args(WHOLE.split(' '));
    }
    command.args(passed_on);
    command
}

/// Returns true if `-p` or `--package` is among the arguments of cargo, which end at `--`.
fn selects_packages(passed_on: &[String]) -> bool {
    let mut own = passed_on.iter().take_while(|argument| *argument != "--");
    own.any(|argument| {
        argument.starts_with("-p") || argument == "--package" || argument.starts_with("--package=")
    })
}

fn has_command(workspace: &Workspace, name: &str) -> bool {
    let mut version = cargo(workspace);
    version.args([name, "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    version.status().is_ok_and(|status| status.success())
}

fn run_on(server: Option<&TestServer>, command: &mut Command) -> anyhow::Result<()> {
    let server = server.context("the server is started before the tests")?;
    run_command(command.env(SERVER_VARIABLE, server.url()))
}

/// Runs a command.
///
/// # Errors
/// Returns [`CommandFailed`] if the command fails.
pub(crate) fn run_command(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status();
    let status = status.with_context(|| format!("cannot run {}", command.get_program().display()))?;
    if status.success() { Ok(()) } else { Err(CommandFailed(status).into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn stops_at_the_first_failed_step() {
        let ran = RefCell::new(Vec::new());
        let step = |name: &'static str, code: &'static str| -> Step<'_> {
            let ran = &ran;
            (
                name,
                Box::new(move || {
                    ran.borrow_mut().push(name);
                    run_command(Command::new("sh").args(["-c", code]))
                }),
            )
        };
        let error = run_steps(vec![step("one", ":"), step("two", "exit 101"), step("three", ":")]);
        let error = error.unwrap_err();
        assert_eq!(*ran.borrow(), ["one", "two"]);
        assert!(format!("{error:#}").starts_with("two failed: the command ended with"));
        assert_eq!(error.downcast_ref::<CommandFailed>().and_then(|failed| failed.0.code()), Some(101));
    }

    #[test]
    fn tests_the_workspace_unless_packages_are_selected() {
        for (passed_on, expected) in [
            ("", false),
            ("-psteadfast-http", true),
            ("--retries 2 --package=steadfast-http", true),
            ("a_test -- -p", false),
        ] {
            let words: Vec<String> = passed_on.split_whitespace().map(str::to_owned).collect();
            assert_eq!(selects_packages(&words), expected, "{passed_on}");
        }
    }
}
