//! The steps of `up` as the user sees them: progress, duration, and after a failure its log and a remedy.

use anyhow::Context as _;
use indicatif::ProgressBar;
use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const LOG_LINES: usize = 20;
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Runs `work` as the step `doing`. On failure the error shows the end of `log`. Ctrl-C fails the step.
pub(crate) fn step<T>(
    doing: &str,
    log: Option<&Path>,
    work: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let begun = Instant::now();
    let bar = match std::io::stderr().is_terminal() && log.is_some() {
        true => ProgressBar::new_spinner().with_message(doing.to_owned()),
        false => ProgressBar::hidden(),
    };
    if bar.is_hidden() {
        eprintln!("{doing} ...");
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    let outcome = work();
    bar.finish_and_clear();
    anyhow::ensure!(!is_interrupted(), "interrupted while {doing}");
    let seconds = begun.elapsed().as_secs_f64();
    match outcome {
        Ok(done) => {
            eprintln!("{doing:<46} {seconds:>6.1} s");
            Ok(done)
        }
        Err(error) => anyhow::bail!(
            "{doing} failed after {seconds:.1} s: {error:#}{}\nWhat to do: correct the cause shown above and run the \
             command again; it does not repeat completed steps",
            log.and_then(log_tail).unwrap_or_default()
        ),
    }
}

fn log_tail(log: &Path) -> Option<String> {
    let bytes = std::fs::read(log).ok().filter(|bytes| !bytes.is_empty())?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().collect();
    let last = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n");
    Some(format!("\n\nThe last lines of {}:\n{last}\n", log.display()))
}

/// Makes Ctrl-C and SIGTERM set [`is_interrupted`] instead of ending the process, so that it can stop its children.
pub(crate) fn watch_interrupt() -> anyhow::Result<()> {
    ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed)).context("cannot handle Ctrl-C")
}

/// Returns true after Ctrl-C or SIGTERM.
pub(crate) fn is_interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// Polls every 50 ms until `look` finds something.
///
/// # Errors
/// Returns an error after `timeout` or an interrupt.
pub(crate) fn wait_for<T>(
    event: &str,
    timeout: Duration,
    mut look: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let begun = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        anyhow::ensure!(!is_interrupted(), "interrupted");
        anyhow::ensure!(begun.elapsed() < timeout, "no {event} within {} s", timeout.as_secs());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_steps_show_the_end_of_their_log() {
        let log = std::env::temp_dir().join(format!("steadfast-step-{}.log", std::process::id()));
        let lines: Vec<_> = (1..=30).map(|number| format!("line {number}.")).collect();
        std::fs::write(&log, lines.join("\n")).unwrap();
        let error = step("growing", Some(&log), || -> anyhow::Result<()> { anyhow::bail!("no light") });
        let error = error.unwrap_err().to_string();
        std::fs::remove_file(&log).unwrap();
        for part in ["growing failed", "no light", "line 11.", "line 30.", "What to do"] {
            assert!(error.contains(part), "{part} is missing: {error}");
        }
        assert!(!error.contains("line 10."));
    }
}
