//! The files of a checkout, as the rules see them.

use super::source::{self, Kind};
use anyhow::Context as _;
use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

/// Folders that hold nothing of ours.
const SKIPPED: [&str; 3] = ["target", ".git", "node_modules"];

/// Endings of the files that rules read; of all others they know the path alone.
const READ: [&str; 5] = ["rs", "toml", "md", "lock", "sql"];

/// Something that a rule does not want.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Finding {
    /// Where, relative to the checkout.
    pub(super) path: String,
    /// The line, from 1.
    pub(super) line: usize,
    /// Which rule.
    pub(super) rule: &'static str,
    /// What to do about it.
    pub(super) advice: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.path, self.line, self.rule, self.advice)
    }
}

/// One file: its path with `/`, relative to the checkout, and its text.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: String,
    pub(super) text: String,
}

impl File {
    /// A finding in this file.
    pub(super) fn finding(&self, line: usize, rule: &'static str, advice: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, rule, advice: advice.into() }
    }

    /// The text with comments and literals blanked.
    pub(super) fn code(&self) -> String {
        source::only(&self.text, &[Kind::Code])
    }

    /// The text with comments blanked.
    pub(super) fn code_and_literals(&self) -> String {
        source::only(&self.text, &[Kind::Code, Kind::Literal])
    }

    /// The text with literals blanked.
    pub(super) fn code_and_comments(&self) -> String {
        source::only(&self.text, &[Kind::Code, Kind::Comment])
    }

    /// The names of the folders the file stands in, outermost first.
    pub(super) fn folders(&self) -> impl Iterator<Item = &str> {
        self.path.rsplit_once('/').into_iter().flat_map(|(folders, _)| folders.split('/'))
    }

    /// The file's name without its ending.
    pub(super) fn stem(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or(&self.path);
        name.split('.').next().unwrap_or(name)
    }
}

/// All files of a checkout, by path.
#[derive(Debug)]
pub(super) struct Tree {
    files: Vec<File>,
}

impl Tree {
    /// Reads the checkout at `root`, without what is built or fetched. Links are not followed.
    pub(super) fn read(root: &Path) -> anyhow::Result<Self> {
        let mut files = Vec::new();
        read_folder(root, "", &mut files)?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { files })
    }

    /// A made-up checkout.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let file = |(path, text): &(&str, &str)| File { path: (*path).to_owned(), text: (*text).to_owned() };
        Self { files: files.iter().map(file).collect() }
    }

    /// Every Rust file.
    pub(super) fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.path.ends_with(".rs"))
    }

    /// Every file below `folder`, which is written without a slash at its end.
    pub(super) fn under<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a File> {
        self.files.iter().filter(move |file| below(&file.path, folder).is_some())
    }

    /// Every file.
    pub(super) fn files(&self) -> impl Iterator<Item = &File> {
        self.files.iter()
    }

    /// The file at `path`.
    pub(super) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Whether there is a file at `path`, or one below it.
    pub(super) fn exists(&self, path: &str) -> bool {
        self.files.iter().any(|file| file.path == path || below(&file.path, path).is_some())
    }

    /// The rooms of a layer's folder: names of its Rust files, and of its folders with Rust files in them.
    pub(super) fn rooms<'a>(&'a self, folder: &'a str) -> BTreeSet<&'a str> {
        let rust = self.rust().filter_map(|file| below(&file.path, folder));
        rust.filter_map(|path| path.trim_end_matches(".rs").split('/').next()).collect()
    }
}

/// What of `path` is below `folder`.
pub(super) fn below<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    path.strip_prefix(folder)?.strip_prefix('/')
}

fn read_folder(folder: &Path, prefix: &str, files: &mut Vec<File>) -> anyhow::Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = format!("{prefix}{name}");
        let kind = entry.file_type()?;
        if kind.is_file() {
            let text = read_text(&entry.path(), &name)?;
            files.push(File { path, text });
        } else if kind.is_dir() && !SKIPPED.contains(&name.as_str()) {
            read_folder(&entry.path(), &format!("{path}/"), files)?;
        }
    }
    Ok(())
}

fn read_text(path: &Path, name: &str) -> anyhow::Result<String> {
    if !name.rsplit_once('.').is_some_and(|(_, ending)| READ.contains(&ending)) {
        return Ok(String::new());
    }
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_checkout_is_read_without_what_is_built() {
        let root = std::env::temp_dir().join(format!("steadfast-tidy-{}", std::process::id()));
        for folder in ["src/area", "target/debug", ".config"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::write(root.join("src/area/rows.rs"), "//! Rows.\n").unwrap();
        fs::write(root.join("target/debug/built.rs"), "").unwrap();
        fs::write(root.join(".config/picture.bin"), [0xff]).unwrap();
        let tree = Tree::read(&root).unwrap();
        fs::remove_dir_all(&root).unwrap();
        let paths: Vec<&str> = tree.files().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, [".config/picture.bin", "src/area/rows.rs"]);
        assert_eq!(tree.file("src/area/rows.rs").unwrap().text, "//! Rows.\n");
    }

    #[test]
    fn rooms_are_files_and_folders_with_rust_in_them() {
        let tree = Tree::of(&[
            ("a/src/lib.rs", ""),
            ("a/src/keys.rs", ""),
            ("a/src/keys/rows.rs", ""),
            ("a/src/sql/x.sql", ""),
        ]);
        assert_eq!(tree.rooms("a/src").into_iter().collect::<Vec<_>>(), ["keys", "lib"]);
        assert!(tree.exists("a/src/keys") && tree.exists("a/src/lib.rs") && !tree.exists("a/s"));
    }
}
