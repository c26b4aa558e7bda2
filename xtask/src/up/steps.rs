//! The steps of a command as the user sees them: what is done, how long it took, and after a failure what to do.

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const LOG_LINES: usize = 20;
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// One thing that a command does.
pub(crate) struct Step<'a> {
    /// What, as `starting the API`.
    pub(crate) doing: &'a str,
    /// Whose last lines tell why it failed.
    pub(crate) log: Option<&'a Path>,
    /// What the user can do when it failed.
    pub(crate) next: &'a str,
    /// Whether it writes to the terminal itself.
    pub(crate) speaks: bool,
}

impl Step<'_> {
    /// Does it, with a spinner on a terminal and with plain lines elsewhere. Ctrl-C counts as a failure of the step.
    pub(crate) fn run<T>(&self, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        let begun = Instant::now();
        let bar = self.bar();
        let outcome =
            check_interrupt().and_then(|()| work()).and_then(|done| check_interrupt().map(|()| done));
        bar.finish_and_clear();
        let seconds = begun.elapsed().as_secs_f64();
        match outcome {
            Ok(done) => {
                say(&format!("{:<46} {seconds:>6.1} s", self.doing));
                Ok(done)
            }
            Err(_) if is_interrupted() => anyhow::bail!("interrupted while {}", self.doing),
            Err(error) => Err(error)
                .with_context(|| format!("{} failed after {seconds:.1} s", self.doing))
                .map_err(|error| anyhow::anyhow!("{error:#}{}\nWhat to do: {}", self.log_tail(), self.next)),
        }
    }

    fn bar(&self) -> ProgressBar {
        if self.speaks || !std::io::stderr().is_terminal() {
            say(&format!("{} ...", self.doing));
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new_spinner().with_message(self.doing.to_owned());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        bar
    }

    fn log_tail(&self) -> String {
        let text = self.log.and_then(|log| Some((log, std::fs::read(log).ok()?)));
        let Some((log, bytes)) = text.filter(|(_, bytes)| !bytes.is_empty()) else { return String::new() };
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<_> = text.lines().collect();
        let last = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n");
        format!("\n\nThe last lines of {}:\n{last}\n", log.display())
    }
}

/// Tells the user. Nobody listening is no reason to break off with half a stack.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// From now on Ctrl-C and SIGTERM do not end this process but are seen by [`is_interrupted`], so that what was
/// started can be stopped. Programs in the foreground get Ctrl-C themselves, as always.
pub(crate) fn watch_interrupt() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (ready, is_ready) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let signals = signal(SignalKind::interrupt())
                .and_then(|interrupt| Ok((interrupt, signal(SignalKind::terminate())?)));
            let Ok((mut interrupt, mut terminate)) = signals else { return };
            // The receiver waits for exactly this.
            let _ = ready.send(());
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
            INTERRUPTED.store(true, Ordering::Relaxed);
            // A runtime that ends takes the handlers' receivers with it; the signals stay caught.
            std::future::pending::<()>().await;
        });
    });
    is_ready.recv().context("Ctrl-C cannot be caught")
}

/// Whether the user wants this command to end.
pub(crate) fn is_interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

fn check_interrupt() -> anyhow::Result<()> {
    anyhow::ensure!(!is_interrupted(), "interrupted");
    Ok(())
}

/// Looks every 50 ms until `look` finds something, at most `patience` long and not past an interrupt.
pub(crate) fn wait_for<T>(
    what: &str,
    patience: Duration,
    mut look: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        check_interrupt()?;
        anyhow::ensure!(Instant::now() < deadline, "{what}: nothing after {} s", patience.as_secs());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_shows_the_end_of_its_log_and_what_to_do() {
        let log = std::env::temp_dir().join(format!("steadfast-step-{}.log", std::process::id()));
        let lines: Vec<_> = (1..=30).map(|number| format!("line {number}.")).collect();
        std::fs::write(&log, lines.join("\n")).unwrap();
        let step = Step { doing: "growing", log: Some(&log), next: "water it", speaks: false };
        let error = step.run(|| -> anyhow::Result<()> { anyhow::bail!("no light") }).unwrap_err().to_string();
        std::fs::remove_file(&log).unwrap();
        for part in ["growing failed", "no light", "line 11.", "line 30.", "What to do: water it"] {
            assert!(error.contains(part), "{part} is missing: {error}");
        }
        assert!(!error.contains("line 10."));
    }

    #[test]
    fn waiting_ends_with_what_was_awaited_or_with_its_name() {
        let mut looks = 0;
        let found = wait_for("a bus", Duration::from_secs(60), || {
            looks += 1;
            Ok((looks == 2).then_some(looks))
        });
        assert_eq!(found.unwrap(), 2);
        let error = wait_for("a bus", Duration::ZERO, || Ok(None::<()>)).unwrap_err();
        assert!(error.to_string().contains("a bus"));
    }
}
