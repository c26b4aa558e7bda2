//! Processes by their ids: whether one is still what it was, and signals to it and its children.

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::process::Command;
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(20);

/// A process id. The system reuses ids, so ask what runs there before you trust one from a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process(i32);

impl Process {
    /// The process with this id; ids below 1 mean groups to the system and are nobody.
    pub fn new(pid: i32) -> Option<Self> {
        (pid > 0).then_some(Self(pid))
    }

    /// The id.
    pub fn pid(self) -> i32 {
        self.0
    }

    /// Whether any process has this id, also one of another user, also one that ended and was not reaped.
    pub fn exists(self) -> bool {
        !matches!(kill(Pid::from_raw(self.0), None), Err(Errno::ESRCH))
    }

    /// Program and arguments; `None` when nothing runs there (an ended process that was not reaped counts as nothing).
    pub fn command_line(self) -> Option<Vec<String>> {
        match std::fs::read(format!("/proc/{}/cmdline", self.0)) {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                let words: Vec<_> = text.trim_end_matches('\0').split('\0').map(str::to_owned).collect();
                (words != [""]).then_some(words)
            }
            Err(_) if std::path::Path::new("/proc/self/cmdline").exists() => None,
            Err(_) => self.command_line_of_ps(),
        }
    }

    /// Where there is no /proc. Arguments with spaces come apart, which no path of ours has.
    fn command_line_of_ps(self) -> Option<Vec<String>> {
        let id = self.0.to_string();
        let output = Command::new("ps").args(["-ww", "-o", "command=", "-p", &id]).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let words: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
        (!words.is_empty()).then_some(words)
    }

    /// Whether the program's file name is `program` and one of the arguments is exactly `argument`, when one is asked for.
    pub fn runs(self, program: &str, argument: Option<&str>) -> bool {
        let Some(words) = self.command_line() else { return false };
        let name = words.first().and_then(|path| path.rsplit('/').next());
        name == Some(program) && argument.is_none_or(|wanted| words.iter().skip(1).any(|word| word == wanted))
    }

    /// Asks it to end (SIGTERM). A process that is gone already is fine.
    pub fn terminate(self) {
        self.signal(Signal::SIGTERM);
    }

    /// Ends it without a chance to clean up (SIGKILL).
    pub fn kill(self) {
        self.signal(Signal::SIGKILL);
    }

    pub(crate) fn signal(self, signal: Signal) {
        // The only other answer is "no such process" or "not yours", and then there is nothing to signal.
        let _gone = kill(Pid::from_raw(self.0), signal);
    }

    /// Waits up to `patience` until `still` is false. Says whether that came true.
    pub fn wait_until_not(self, patience: Duration, mut still: impl FnMut(Self) -> bool) -> bool {
        let deadline = Instant::now() + patience;
        while still(self) {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(POLL);
        }
        true
    }

    /// The processes that this one started and that still run.
    pub fn children(self) -> Vec<Self> {
        let pairs = parents_of_proc().unwrap_or_else(parents_of_ps);
        pairs
            .into_iter()
            .filter(|(_, parent)| *parent == self.0)
            .filter_map(|(pid, _)| Self::new(pid))
            .collect()
    }
}

/// All processes, each with its parent; `None` where there is no /proc.
fn parents_of_proc() -> Option<Vec<(i32, i32)>> {
    std::fs::metadata("/proc/self/stat").ok()?;
    let entries = std::fs::read_dir("/proc").ok()?;
    let ids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    Some(ids.filter_map(|pid| Some((pid, parent_of(pid)?))).collect())
}

fn parents_of_ps() -> Vec<(i32, i32)> {
    let Ok(output) = Command::new("ps").args(["-A", "-o", "pid=,ppid="]).output() else { return Vec::new() };
    let text = String::from_utf8_lossy(&output.stdout);
    let pairs = text.lines().filter_map(|line| {
        let mut ids = line.split_whitespace().filter_map(|word| word.parse().ok());
        Some((ids.next()?, ids.next()?))
    });
    pairs.collect()
}

/// The fourth word of `/proc/<pid>/stat`; the second is the name in parentheses and may hold anything.
fn parent_of(pid: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper() -> std::process::Child {
        Command::new("sleep").arg("60").spawn().unwrap()
    }

    #[test]
    fn a_process_is_known_by_program_and_argument() {
        let mut child = sleeper();
        let process = Process::new(child.id() as i32).unwrap();
        // Until the exec has happened, the child still shows this test's own command line.
        let seen = process.wait_until_not(Duration::from_secs(10), |it| !it.runs("sleep", Some("60")));
        let other = process.runs("sleep", Some("61")) || process.runs("postgres", None);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(seen && !other);
        assert!(!process.runs("sleep", None), "it ended");
    }

    #[test]
    fn an_ended_process_that_nobody_reaped_runs_nothing() {
        let mut child = sleeper();
        let process = Process::new(child.id() as i32).unwrap();
        process.kill();
        let ended = process.wait_until_not(Duration::from_secs(10), |it| it.command_line().is_some());
        let exists = process.exists();
        child.wait().unwrap();
        assert!(ended);
        assert!(exists, "the id is taken until it is reaped");
    }

    #[test]
    fn children_are_found_with_and_without_proc() {
        let mut child = sleeper();
        let me = std::process::id() as i32;
        let pair = (child.id() as i32, me);
        let (children, ps) = (Process::new(me).unwrap().children(), parents_of_ps());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(children.contains(&Process::new(pair.0).unwrap()), "{children:?}");
        assert!(ps.is_empty() || ps.contains(&pair), "a machine may lack ps: {ps:?}");
    }

    #[test]
    fn groups_are_nobody() {
        assert_eq!(Process::new(0), None);
        assert_eq!(Process::new(-1), None);
    }
}
