//! Where things are: the checkout, its state folder, and the scratch folder that a server's user can enter.

use anyhow::Context as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use steadfast_testkit::{FileLock, claim_folder, scratch_folder};

/// Another `up` may be compiling the whole workspace.
const LOCK_PATIENCE: Duration = Duration::from_secs(30 * 60);

/// The checkout that this command works in.
#[derive(Clone, Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The workspace that this binary was built from.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest.parent().context("xtask stands in a folder of the workspace")?;
        Ok(Self { root: root.to_path_buf() })
    }

    /// The folder with the workspace's `Cargo.toml`.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A file of `up`: `target/steadfast/<name>`.
    pub(crate) fn state(&self, name: &str) -> PathBuf {
        self.root.join("target/steadfast").join(name)
    }

    /// What cannot stand in `target`: data, sockets, and for root what its children run. The pointer file wins, so
    /// that `down` finds what an `up` with another `TMPDIR` made.
    pub(crate) fn scratch(&self) -> PathBuf {
        let pointed =
            std::fs::read_to_string(self.state("scratch")).ok().map(|text| PathBuf::from(text.trim()));
        pointed.filter(|folder| folder.is_dir()).unwrap_or_else(|| scratch_folder("steadfast", &self.root))
    }

    /// Makes the state and the scratch folder and leaves the pointer from one to the other.
    pub(crate) fn claim(&self) -> anyhow::Result<()> {
        let scratch = self.scratch();
        claim_folder(&scratch)?;
        std::fs::create_dir_all(self.state("")).context("target/steadfast cannot be created")?;
        std::fs::write(self.state("scratch"), scratch.display().to_string())
            .context("target/steadfast/scratch")
    }

    /// One `up` or `down` at a time. Needs [`Workspace::claim`] before it.
    pub(crate) fn lock(&self) -> anyhow::Result<FileLock> {
        Ok(FileLock::acquire(&self.state("lock"), LOCK_PATIENCE)?)
    }
}
