//! What a package's manifest says: its name, its dependencies, whether it takes the workspace's lints.
//!
//! Manifests here write each dependency in one line, so a scan by lines reads them; what it cannot read is a finding of
//! the rule that demands that form.

use super::tree::{File, Tree};

/// When a dependency is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// By the package itself, or to build it.
    Always,
    /// By its tests and examples.
    Tests,
}

/// One line of a `dependencies` table.
#[derive(Debug)]
pub(super) struct Dependency<'a> {
    pub(super) name: &'a str,
    pub(super) need: Need,
    pub(super) line: usize,
    /// Whether its version is the workspace's.
    pub(super) inherited: bool,
}

/// Comparisons with other libraries, and projects of others that use these. Each is a workspace of its own.
const OTHER_WORKSPACES: [&str; 2] = ["benches/peers/", "examples/"];

/// The manifest of one package of the workspace.
#[derive(Debug)]
pub(super) struct Manifest<'a> {
    pub(super) file: &'a File,
    pub(super) dependencies: Vec<Dependency<'a>>,
    /// Whether the workspace's lints apply.
    pub(super) linted: bool,
    name: &'a str,
}

impl<'a> Manifest<'a> {
    /// Every package's manifest.
    pub(super) fn all(tree: &'a Tree) -> Vec<Self> {
        let ours = |file: &&File| !OTHER_WORKSPACES.iter().any(|folder| file.path.starts_with(folder));
        let files = tree.files().filter(|file| file.path.ends_with("/Cargo.toml")).filter(ours);
        files.filter_map(Self::parse).collect()
    }

    /// The package's name without the project's.
    pub(super) fn short_name(&self) -> &'a str {
        short(self.name)
    }

    fn parse(file: &'a File) -> Option<Self> {
        let mut manifest = Self { file, dependencies: Vec::new(), linted: false, name: "" };
        let mut table: &'a str = "";
        for (index, line) in file.text.lines().enumerate() {
            let line = line.trim();
            if let Some(header) = line.strip_prefix('[') {
                table = header.trim_end_matches(']');
            } else if let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) {
                manifest.entry(table, index + 1, key.trim(), value.trim());
            }
        }
        (!manifest.name.is_empty()).then_some(manifest)
    }

    fn entry(&mut self, table: &'a str, line: usize, key: &'a str, value: &'a str) {
        let (name, attribute) = key.split_once('.').unwrap_or((key, ""));
        match (table, key) {
            ("package", "name") => self.name = value.trim_matches('"'),
            ("lints", "workspace") => self.linted = value == "true",
            _ if table.ends_with("dependencies") => {
                let inherited =
                    (attribute == "workspace" && value == "true") || value.contains("workspace = true");
                let need = if table.ends_with("dev-dependencies") { Need::Tests } else { Need::Always };
                self.dependencies.push(Dependency { name, need, line, inherited });
            }
            // A table for one dependency: whatever it says, it is not the one-line form.
            _ => {
                if let Some((_, name)) = table.split_once("dependencies.") {
                    self.dependencies.push(Dependency { name, need: Need::Always, line, inherited: false });
                }
            }
        }
    }
}

/// A package's name without the project's.
pub(super) fn short(name: &str) -> &str {
    name.strip_prefix("steadfast-").unwrap_or(name)
}
