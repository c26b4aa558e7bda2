//! The binaries of the workspace: built, placed where the account of the children can run them, and run.

use crate::cargo::cargo;
use crate::workspace::Workspace;
use anyhow::Context as _;
use cargo_metadata::{Artifact, Message};
use std::fs::OpenOptions;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use steadfast_testkit::{Account, claim_folder};

const API: &str = "steadfast-api";
const CTL: &str = "steadfast-ctl";
const SANDBOX: &str = "pidkey-sandbox";

/// Variables of the caller that the programs inherit. All others are removed, because a shell may have the settings of
/// another deployment, production among them.
const INHERITED: &str = "DYLD_LIBRARY_PATH HOME LANG LD_LIBRARY_PATH LOGNAME PATH RUST_BACKTRACE RUST_LIB_BACKTRACE \
                         SSL_CERT_DIR SSL_CERT_FILE TMPDIR TZ USER";

/// A binary of the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    /// Identifies the build: path, size and time of the file that cargo wrote.
    pub(crate) build: String,
}

/// The binaries and the account that runs them.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) account: Account,
    pub(crate) api: Program,
    pub(crate) sandbox: Program,
    ctl: Program,
    scratch: PathBuf,
}

impl Programs {
    /// Builds the binaries.
    pub(crate) fn build(workspace: &Workspace, release: bool) -> anyhow::Result<Self> {
        let account = Account::for_children()?;
        let mut cargo = cargo(workspace);
        cargo.args(["build", "--message-format=json-render-diagnostics"]);
        cargo.args([API, CTL, SANDBOX].iter().flat_map(|package| ["--package", package]));
        cargo.args(release.then_some("--release")).stdin(Stdio::null()).stderr(Stdio::inherit());
        let output = cargo.output().context("cannot run cargo")?;
        anyhow::ensure!(output.status.success(), "cargo build ended with {}", output.status);
        let messages: Vec<Message> = Message::parse_stream(&*output.stdout).collect::<Result<_, _>>()?;
        let scratch = workspace.scratch();
        let program = |name: &str| {
            let executable = |message: &Message| match message {
                Message::CompilerArtifact(Artifact { target, executable: Some(path), .. }) => {
                    (target.name == name).then(|| path.clone().into_std_path_buf())
                }
                _ => None,
            };
            let file = messages.iter().rev().find_map(executable);
            let file = file.with_context(|| format!("cargo built no {name}"))?;
            let metadata = file.metadata()?;
            let (seconds, nanoseconds) = (metadata.mtime(), metadata.mtime_nsec());
            let build = format!("{} {} {seconds}.{nanoseconds:09}", file.display(), metadata.len());
            anyhow::Ok(Program { path: place(&file, &scratch.join("bin"), account)?, build })
        };
        Ok(Self { account, api: program(API)?, sandbox: program(SANDBOX)?, ctl: program(CTL)?, scratch })
    }

    /// Returns a path at which the account of the children can read `file`.
    pub(crate) fn readable(&self, file: &Path) -> anyhow::Result<PathBuf> {
        place(file, &self.scratch.join("data"), self.account)
    }

    /// Returns a command that runs `program` without any settings of the caller.
    pub(crate) fn command(&self, program: &Program) -> Command {
        let mut command = Command::new(&program.path);
        isolate(&mut command).current_dir(&self.scratch);
        command
    }

    /// Runs `steadfast-ctl` and returns its standard output. Its standard error is appended to `log`.
    pub(crate) fn ctl(
        &self,
        log: &Path,
        variables: &[(&str, &str)],
        arguments: &[&str],
    ) -> anyhow::Result<String> {
        let file = OpenOptions::new().create(true).append(true).open(log);
        let file = file.with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = self.command(&self.ctl);
        command.args(arguments).envs(variables.iter().copied()).stdin(Stdio::null()).stderr(file);
        let output = self.account.run(&mut command).output().context("cannot run steadfast-ctl")?;
        let words = arguments.iter().take(2).copied().collect::<Vec<_>>().join(" ");
        anyhow::ensure!(output.status.success(), "steadfast-ctl {words} ended with {}", output.status);
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// Removes all variables of the caller that could select a database or another service.
pub(crate) fn isolate(command: &mut Command) -> &mut Command {
    let variables = std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_inherited));
    command.env_clear().envs(variables)
}

fn is_inherited(name: &str) -> bool {
    INHERITED.split(' ').any(|inherited| inherited == name)
        || name.starts_with("LC_")
        || name.starts_with("LOG_")
}

/// Copies `file` to `folder` if the children run as another account, which may be unable to enter the checkout. The copy
/// is replaced atomically, because the old one may be running.
fn place(file: &Path, folder: &Path, account: Account) -> anyhow::Result<PathBuf> {
    if !account.differs() {
        return Ok(file.to_path_buf());
    }
    claim_folder(folder)?;
    let target = folder.join(file.file_name().context("a file has a name")?);
    let new = target.with_extension("new");
    std::fs::copy(file, &new)
        .with_context(|| format!("cannot copy {} to {}", file.display(), new.display()))?;
    account.own(&new)?;
    std::fs::rename(&new, &target)?;
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_not_inherited() {
        for name in ["DATABASE_URL", "DB_PROFILE", "REDIS_URL", "PGHOST", "HTTP_PORT", "PIDKEY_API_KEY"] {
            assert!(!is_inherited(name), "{name}");
        }
        assert!(is_inherited("PATH") && is_inherited("LOG_LEVEL"));
    }
}
