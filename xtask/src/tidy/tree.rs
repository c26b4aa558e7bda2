//! The files of a checkout, as the rules see them.

use super::code::Code;
use super::config::Config;
use anyhow::Context as _;
use std::fmt;
use std::path::Path;

/// Folders with files that are built or fetched.
const SKIPPED: [&str; 3] = ["target", ".git", "node_modules"];

/// Endings of the files whose text the rules read.
const READ: [&str; 5] = [".rs", ".toml", ".md", ".sql", ".txt"];

/// A violation of a rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Finding {
    /// Path relative to the checkout.
    pub(super) path: String,
    /// Line, counted from 1.
    pub(super) line: usize,
    /// Name of the rule.
    pub(super) rule: &'static str,
    /// Description of the violation and of its remedy.
    pub(super) advice: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.path, self.line, self.rule, self.advice)
    }
}

/// A file of the checkout.
#[derive(Debug)]
pub(super) struct File {
    /// Path with `/`, relative to the checkout.
    pub(super) path: String,
    /// Text; empty if no rule reads files of this kind.
    pub(super) text: String,
    /// Names in a Rust file of the workspace; empty for all other files.
    pub(super) code: Code,
}

impl File {
    fn new(path: String, text: String) -> anyhow::Result<Self> {
        let is_ours = ["crates/", "bins/", "xtask/"].iter().any(|folder| path.starts_with(folder));
        let code = match path.ends_with(".rs") && is_ours {
            true => Code::of(&syn::parse_file(&text).with_context(|| format!("cannot parse {path}"))?),
            false => Code::default(),
        };
        Ok(Self { path, text, code })
    }

    /// Returns a finding in this file.
    pub(super) fn finding(&self, line: usize, rule: &'static str, advice: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, rule, advice: advice.into() }
    }

    /// Returns the file name without its ending.
    pub(super) fn stem(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or(&self.path);
        name.split('.').next().unwrap_or(name)
    }

    /// Returns the first folder or module name below `folder`.
    pub(super) fn area(&self, folder: &str) -> Option<&str> {
        below(&self.path, folder)?.trim_end_matches(".rs").split('/').next()
    }

    /// Returns true if the file is compiled for tests and benchmarks only.
    pub(super) fn is_for_tests(&self) -> bool {
        let is_test = |part| matches!(part, "tests" | "tests.rs" | "testing.rs" | "benches" | "examples");
        self.path.split('/').any(is_test)
    }
}

/// All files of a checkout, sorted by path.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) config: Config,
    files: Vec<File>,
}

impl Tree {
    /// Reads the checkout at `root`. Links are not followed.
    pub(super) fn read(root: &Path) -> anyhow::Result<Self> {
        let is_source = |entry: &walkdir::DirEntry| {
            !SKIPPED.iter().any(|name| entry.file_type().is_dir() && entry.file_name() == *name)
        };
        let mut files = Vec::new();
        for entry in walkdir::WalkDir::new(root).sort_by_file_name().into_iter().filter_entry(is_source) {
            let entry = entry?;
            let Some(path) =
                entry.path().strip_prefix(root)?.to_str().filter(|_| entry.file_type().is_file())
            else {
                continue;
            };
            let text = if READ.iter().any(|ending| path.ends_with(ending)) {
                std::fs::read_to_string(entry.path()).with_context(|| format!("cannot read {path}"))?
            } else {
                String::new()
            };
            files.push(File::new(path.to_owned(), text)?);
        }
        Ok(Self { config: Config::load()?, files })
    }

    /// Returns a checkout with the given paths and texts.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let file = |(path, text): &(&str, &str)| File::new((*path).to_owned(), (*text).to_owned()).unwrap();
        Self { config: Config::load().unwrap(), files: files.iter().map(file).collect() }
    }

    /// Returns all files.
    pub(super) fn files(&self) -> impl Iterator<Item = &File> {
        self.files.iter()
    }

    /// Returns all Rust files.
    pub(super) fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.path.ends_with(".rs"))
    }

    /// Returns the Rust files below `folder`.
    pub(super) fn rust_under<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a File> {
        self.rust().filter(move |file| below(&file.path, folder).is_some())
    }

    /// Returns true if `path` is a file, or a folder with files.
    pub(super) fn exists(&self, path: &str) -> bool {
        self.files.iter().any(|file| is_in(&file.path, path))
    }
}

/// Returns the part of `path` below `folder`.
pub(super) fn below<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    path.strip_prefix(folder)?.strip_prefix('/')
}

/// Returns true if `path` is `folder` or below it.
pub(super) fn is_in(path: &str, folder: &str) -> bool {
    path == folder || below(path, folder).is_some()
}
