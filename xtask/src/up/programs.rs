//! The workspace's own binaries: built, put where the children's user can run them, and run.

use crate::cargo::cargo;
use crate::up::environment::isolate;
use crate::workspace::Workspace;
use anyhow::Context as _;
use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use steadfast_testkit::{Account, claim_folder};

const API: &str = "steadfast-api";
const CTL: &str = "steadfast-ctl";
const SANDBOX: &str = "pidkey-sandbox";

/// A program of the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program {
    /// Where the children's user can run it.
    pub(crate) path: PathBuf,
    /// Another text after every build that changed it, and for every profile.
    pub(crate) build: String,
}

/// Where the binaries are, and as whom they run.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) account: Account,
    pub(crate) api: Program,
    pub(crate) sandbox: Program,
    ctl: Program,
    scratch: PathBuf,
}

impl Programs {
    /// Builds them. cargo reports on the terminal itself.
    pub(crate) fn build(workspace: &Workspace, release: bool) -> anyhow::Result<Self> {
        let account = Account::for_children()?;
        let mut cargo = cargo(workspace);
        cargo.args(["build", "--message-format=json-render-diagnostics"]);
        cargo.args([API, CTL, SANDBOX].iter().flat_map(|package| ["--package", package]));
        if release {
            cargo.arg("--release");
        }
        let output =
            cargo.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("cargo does not run")?;
        anyhow::ensure!(output.status.success(), "cargo build ended with {}", output.status);
        let built = String::from_utf8_lossy(&output.stdout);
        let scratch = workspace.scratch();
        let program = |name| {
            let file = executable(&built, name)?;
            let build = build_of(&file)?;
            Ok::<_, anyhow::Error>(Program { path: place(&file, &scratch.join("bin"), account)?, build })
        };
        Ok(Self { account, api: program(API)?, sandbox: program(SANDBOX)?, ctl: program(CTL)?, scratch })
    }

    /// `file` at a path where the children's user can read it.
    pub(crate) fn readable(&self, file: &Path) -> anyhow::Result<PathBuf> {
        place(file, &self.scratch.join("data"), self.account)
    }

    /// A service's command line, to be completed. It has no settings yet, the caller's included.
    pub(crate) fn service(&self, program: &Program) -> Command {
        let mut command = Command::new(&program.path);
        isolate(&mut command).current_dir(&self.scratch);
        command
    }

    /// Runs `steadfast-ctl` and returns what it wrote to its standard output. What it says besides goes to `log`.
    pub(crate) fn ctl(
        &self,
        log: &Path,
        variables: &[(&str, &str)],
        arguments: &[&str],
    ) -> anyhow::Result<String> {
        let file = OpenOptions::new().create(true).append(true).open(log);
        let file = file.with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = self.service(&self.ctl);
        command.args(arguments).envs(variables.iter().copied()).stdin(Stdio::null()).stderr(file);
        let output = self.account.run(&mut command).output().context("steadfast-ctl does not run")?;
        let words = arguments.iter().take(2).copied().collect::<Vec<_>>().join(" ");
        anyhow::ensure!(output.status.success(), "steadfast-ctl {words} ended with {}", output.status);
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// What cargo says it built, wherever its target folder is.
fn executable(messages: &str, name: &str) -> anyhow::Result<PathBuf> {
    let artifacts = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut paths = artifacts.filter_map(|message| message.get("executable")?.as_str().map(PathBuf::from));
    let path = paths.rfind(|path| path.file_stem().is_some_and(|stem| stem == name));
    path.with_context(|| format!("cargo built no {name}"))
}

/// Where cargo put `file`, how large it is and when it was written: cargo leaves a file alone that needs no new build.
fn build_of(file: &Path) -> anyhow::Result<String> {
    let found = file.metadata().with_context(|| format!("cannot read {}", file.display()))?;
    Ok(format!("{} {} {}.{:09}", file.display(), found.len(), found.mtime(), found.mtime_nsec()))
}

/// When children run as somebody else, a copy in `folder`: that user may not enter the checkout. Else `file` itself.
/// The copy is replaced whole, since the old one may be running.
fn place(file: &Path, folder: &Path, account: Account) -> anyhow::Result<PathBuf> {
    if !account.differs() {
        return Ok(file.to_path_buf());
    }
    claim_folder(folder)?;
    let target = folder.join(file.file_name().context("a file has a name")?);
    let new = target.with_extension("new");
    let copied = std::fs::copy(file, &new)
        .and_then(|_| account.own(&new).map_err(std::io::Error::other))
        .and_then(|()| std::fs::rename(&new, &target));
    copied.with_context(|| format!("cannot copy {} to {}", file.display(), folder.display()))?;
    Ok(target)
}

/// Begins a log anew.
pub(crate) fn clear(log: &Path) -> anyhow::Result<()> {
    File::create(log).map(drop).with_context(|| format!("cannot write {}", log.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_the_one_that_cargo_names() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","executable":null}"#,
            "\nnot json\n",
            r#"{"reason":"compiler-artifact","executable":"/t/debug/steadfast-api"}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        assert_eq!(executable(messages, "steadfast-api").unwrap(), Path::new("/t/debug/steadfast-api"));
        assert!(executable(messages, "steadfast-ctl").is_err());
    }

    #[test]
    fn a_file_that_was_written_anew_is_another_build() {
        let file = std::env::temp_dir().join(format!("steadfast-build-{}", std::process::id()));
        std::fs::write(&file, "one").unwrap();
        let (first, again) = (build_of(&file).unwrap(), build_of(&file).unwrap());
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(1);
        File::options().write(true).open(&file).unwrap().set_modified(later).unwrap();
        let second = build_of(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert_eq!(first, again);
        assert_ne!(first, second);
    }
}
