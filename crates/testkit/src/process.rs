//! Processes by id: what they run, and signals to them and their children.

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::process::Command;
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(20);

/// A process id. The system reuses ids, so check what runs before trusting an id from a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process(i32);

impl Process {
    /// Returns the process with this id; `None` for ids below 1, which are groups.
    pub fn new(pid: i32) -> Option<Self> {
        (pid > 0).then_some(Self(pid))
    }

    /// Returns the id.
    pub fn pid(self) -> i32 {
        self.0
    }

    /// Returns true if a process has this id, also one of another user or one that has ended and was not reaped.
    pub fn exists(self) -> bool {
        !matches!(kill(Pid::from_raw(self.0), None), Err(Errno::ESRCH))
    }

    /// Returns program and arguments; `None` if nothing runs, as for a process that has ended and was not reaped.
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

    /// Reads the command line without /proc. Arguments with spaces are split, but none of ours has any.
    fn command_line_of_ps(self) -> Option<Vec<String>> {
        let id = self.0.to_string();
        let output = Command::new("ps").args(["-ww", "-o", "command=", "-p", &id]).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let words: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
        (!words.is_empty()).then_some(words)
    }

    /// Returns true if the program's file name is `program` and one of its arguments is `argument`, if given.
    pub fn runs(self, program: &str, argument: Option<&str>) -> bool {
        let Some(words) = self.command_line() else { return false };
        let name = words.first().and_then(|path| path.rsplit('/').next());
        name == Some(program) && argument.is_none_or(|wanted| words.iter().skip(1).any(|word| word == wanted))
    }

    /// Sends SIGTERM. A process that has ended is ignored.
    pub fn terminate(self) {
        self.signal(Signal::SIGTERM);
    }

    /// Sends SIGKILL.
    pub fn kill(self) {
        self.signal(Signal::SIGKILL);
    }

    pub(crate) fn signal(self, signal: Signal) {
        // The only possible errors are "no such process" and "not permitted", and then there is nothing to signal.
        let _gone = kill(Pid::from_raw(self.0), signal);
    }

    /// Waits up to `patience` until `still` is false. Returns true if it became false.
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

    /// Returns the running children of this process.
    pub fn children(self) -> Vec<Self> {
        let pairs = parents_of_proc().unwrap_or_else(parents_of_ps);
        pairs
            .into_iter()
            .filter(|(_, parent)| *parent == self.0)
            .filter_map(|(pid, _)| Self::new(pid))
            .collect()
    }
}

/// Returns all processes with their parents; `None` without /proc.
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

/// Parses the fourth field of `/proc/<pid>/stat`. The second is the name in parentheses and may contain anything.
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
    fn identifies_processes_by_program_and_argument() {
        let mut child = sleeper();
        let process = Process::new(child.id() as i32).unwrap();
        // Until exec, the child has the command line of this test.
        let seen = process.wait_until_not(Duration::from_secs(10), |it| !it.runs("sleep", Some("60")));
        let other = process.runs("sleep", Some("61")) || process.runs("postgres", None);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(seen && !other);
        assert!(!process.runs("sleep", None), "it ended");
    }

    #[test]
    fn zombies_run_nothing() {
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
    fn finds_children_with_and_without_proc() {
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
    fn groups_are_no_processes() {
        assert_eq!(Process::new(0), None);
        assert_eq!(Process::new(-1), None);
    }
}
