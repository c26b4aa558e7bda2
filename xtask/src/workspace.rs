//! The checkout, its state folder, and the scratch folder that other accounts can enter.

use anyhow::Context as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use steadfast_testkit::{FileLock, claim_folder, scratch_folder};

/// Maximum wait for another `up`, which may be compiling the whole workspace.
const LOCK_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// The checkout that the command works in.
#[derive(Clone, Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// Returns the workspace that this binary was built from.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or(env!("CARGO_MANIFEST_DIR").into());
        let root =
            PathBuf::from(manifest).parent().context("xtask is a folder of the workspace")?.to_path_buf();
        Ok(Self { root })
    }

    /// Returns the folder of the workspace's `Cargo.toml`.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the path of a state file: `target/steadfast/<name>`.
    pub(crate) fn state(&self, name: &str) -> PathBuf {
        self.root.join("target/steadfast").join(name)
    }

    /// Returns the folder for data, sockets, and programs that another account runs. The first `up` records it, so that a later
    /// command with another `TMPDIR` finds it.
    pub(crate) fn scratch(&self) -> PathBuf {
        let recorded = std::fs::read_to_string(self.state("scratch")).map(|text| PathBuf::from(text.trim()));
        let recorded = recorded.ok().filter(|folder| folder.is_dir());
        recorded.unwrap_or_else(|| scratch_folder("steadfast", &self.root))
    }

    /// Creates and records the scratch folder.
    pub(crate) fn claim(&self) -> anyhow::Result<()> {
        let scratch = self.scratch();
        claim_folder(&scratch)?;
        std::fs::create_dir_all(self.state("")).context("cannot create target/steadfast")?;
        std::fs::write(self.state("scratch"), scratch.display().to_string())
            .context("target/steadfast/scratch")
    }

    /// Locks the workspace for one `up` or `down` at a time. Requires [`Workspace::claim`].
    pub(crate) fn lock(&self) -> anyhow::Result<FileLock> {
        Ok(FileLock::acquire(&self.state("lock"), LOCK_TIMEOUT)?)
    }
}
