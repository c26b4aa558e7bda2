//! Steps one after another, timed, with a summary at the end.

use std::fmt::Write as _;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

/// One thing to do, with the name that the summary calls it by.
pub(super) struct Step<'a> {
    name: &'static str,
    work: Box<dyn FnOnce() -> anyhow::Result<()> + 'a>,
}

impl<'a> Step<'a> {
    /// The step `name`, which does `work`.
    pub(super) fn new(name: &'static str, work: impl FnOnce() -> anyhow::Result<()> + 'a) -> Self {
        Self { name, work: Box::new(work) }
    }
}

/// A command of a step did not succeed; what was wrong it has said itself.
#[derive(Debug)]
pub(super) struct CommandFailed {
    pub(super) status: ExitStatus,
}

impl CommandFailed {
    /// What the command ended with; nothing when a signal ended it.
    pub(super) fn exit_code(&self) -> Option<u8> {
        self.status.code().and_then(|code| u8::try_from(code).ok())
    }
}

impl std::fmt::Display for CommandFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the command ended with {}", self.status)
    }
}

impl std::error::Error for CommandFailed {}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Passed(Duration),
    Failed(Duration),
    NotRun,
}

/// Runs the steps up to the first that fails, then prints a line for each.
///
/// # Errors
/// Those of the step that failed, with its name.
pub(super) fn run<'a, const COUNT: usize>(steps: [Step<'a>; COUNT]) -> anyhow::Result<()> {
    let mut outcomes = Vec::with_capacity(COUNT);
    let mut failure = None;
    for (index, Step { name, work }) in steps.into_iter().enumerate() {
        if failure.is_some() {
            outcomes.push((name, Outcome::NotRun));
            continue;
        }
        println!("==> {}/{COUNT} {name}", index + 1);
        let started = Instant::now();
        let result = work();
        let took = started.elapsed();
        outcomes.push((name, if result.is_ok() { Outcome::Passed(took) } else { Outcome::Failed(took) }));
        failure = result.err().map(|error| error.context(format!("{name} failed")));
    }
    println!("\n{}", summary(&outcomes));
    failure.map_or(Ok(()), Err)
}

fn summary(outcomes: &[(&'static str, Outcome)]) -> String {
    let mut text = String::new();
    let mut total = Duration::ZERO;
    for (name, outcome) in outcomes {
        let (word, took) = match outcome {
            Outcome::Passed(took) => ("passed", Some(*took)),
            Outcome::Failed(took) => ("FAILED", Some(*took)),
            Outcome::NotRun => ("not run", None),
        };
        total += took.unwrap_or_default();
        let seconds = took.map_or_else(|| "-".to_owned(), |took| format!("{:.1} s", took.as_secs_f64()));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<10} {word:<8} {seconds:>9}");
    }
    let _ = write!(text, "{:<10} {:<8} {:>7.1} s", "total", "", total.as_secs_f64());
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn nothing_runs_after_a_failed_step_and_its_error_is_told() {
        let ran = RefCell::new(Vec::new());
        let step = |name: &'static str, fails: bool| {
            let ran = &ran;
            Step::new(name, move || {
                ran.borrow_mut().push(name);
                if fails { Err(anyhow::anyhow!("broken")) } else { Ok(()) }
            })
        };
        let error = run([step("one", false), step("two", true), step("three", false)]).unwrap_err();
        assert_eq!(*ran.borrow(), ["one", "two"]);
        assert_eq!(format!("{error:#}"), "two failed: broken");
    }

    #[test]
    fn the_code_of_a_failed_command_is_kept() {
        let status = std::process::Command::new("sh").args(["-c", "exit 101"]).status().unwrap();
        let error = run([Step::new("one", move || Err(CommandFailed { status }.into()))]).unwrap_err();
        assert_eq!(super::super::exit_code(&error), Some(101));
        assert_eq!(super::super::exit_code(&anyhow::anyhow!("other")), None);
    }

    #[test]
    fn the_summary_has_a_line_for_each_step() {
        let second = Duration::from_millis(1_540);
        let text = summary(&[
            ("tidy", Outcome::Passed(second)),
            ("tests", Outcome::Failed(second)),
            ("docs", Outcome::NotRun),
        ]);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["tidy", "passed", "1.5", "s"]);
        assert_eq!(lines[1], ["tests", "FAILED", "1.5", "s"]);
        assert_eq!(lines[2], ["docs", "not", "run", "-"]);
        assert_eq!(lines[3], ["total", "3.1", "s"]);
    }
}
