//! Files are small, have telling names, start with their purpose, and refer only to paths that exist.

use super::config::Config;
use super::tree::{File, Finding, Tree, below};

/// Maximum number of lines of a file, tests and comments included.
const MAX_LINES: usize = 500;

/// Maximum number of lines of a program's main file, which only reads arguments and calls its library.
const MAX_MAIN_LINES: usize = 60;

/// Files written by a program.
const GENERATED: [&str; 1] = ["crates/schema/src/schema.rs"];

/// First line of a library that is documented by its README.
const README: &str = "#![doc = include_str!(\"../README.md\")]";

/// Returns the findings about single files.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let rust = tree.rust().flat_map(|file| rust(&tree.config, file));
    let documents = tree.files().filter(|file| is_document(&file.path)).flat_map(|file| paths(tree, file));
    rust.chain(documents).collect()
}

fn rust(config: &Config, file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines = file.text.lines().count();
    let is_main = file.path.starts_with("bins/") && file.path.ends_with("/src/main.rs");
    let max = if is_main { MAX_MAIN_LINES } else { MAX_LINES };
    if lines > max && !GENERATED.contains(&file.path.as_str()) {
        let advice = format!("{lines} lines, at most {max}: split it by the purpose of its parts");
        findings.push(file.finding(max + 1, "size", advice));
    }
    if let Some(name) = file
        .path
        .trim_end_matches(".rs")
        .split('/')
        .find(|name| config.vague_names.iter().any(|vague| vague == name))
    {
        findings.push(file.finding(1, "names", format!("`{name}` is vague: name it after its contents")));
    }
    let first = file.text.lines().next().unwrap_or_default();
    let is_described = first.strip_prefix("//!").is_some_and(|text| !text.trim().is_empty());
    let is_readme = first == README && file.path.ends_with("src/lib.rs");
    if !is_described && !is_readme {
        findings.push(file.finding(1, "opening", "start with a `//!` line that describes the contents"));
    }
    let advice = "remove #[ignore]: repair the test or delete it";
    let ignored = file.text.lines().enumerate().filter(|(_, line)| line.trim_start().starts_with("#[ignore"));
    findings.extend(ignored.map(|(index, _)| file.finding(index + 1, "marks", advice)));
    findings
}

fn is_document(path: &str) -> bool {
    path.ends_with(".md")
        && (!path.contains('/') || path.starts_with("docs/") || path.ends_with("/README.md"))
}

/// Returns the quoted paths and the links of a document that lead nowhere.
fn paths(tree: &Tree, file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let quoted =
            line.split('`').skip(1).step_by(2).filter_map(|quoted| quoted_path(&tree.config, quoted));
        let linked = line.split("](").skip(1).filter_map(|rest| linked_path(&file.path, rest));
        for path in quoted.chain(linked).filter(|path| !tree.exists(path)) {
            findings.push(file.finding(index + 1, "paths", format!("{path} does not exist")));
        }
    }
    findings
}

/// Returns the path in backticks; `None` for patterns and for other texts.
fn quoted_path(config: &Config, quoted: &str) -> Option<String> {
    let path = quoted.split([':', '#']).next()?.trim_end_matches('/');
    let is_plain = path.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c));
    let is_ours = config.folders.iter().any(|folder| below(path, folder).is_some());
    (is_plain && is_ours).then(|| path.to_owned())
}

/// Returns the target of a link in `document`; `None` for addresses, anchors and names of Rust items.
fn linked_path(document: &str, rest: &str) -> Option<String> {
    let target = rest.split([')', '#', ' ']).next()?.trim_end_matches('/');
    if target.contains(':') || !(target.contains('/') || target.ends_with(".md")) {
        return None;
    }
    let mut folders: Vec<&str> = document.split('/').collect();
    folders.pop();
    for step in target.split('/') {
        match step {
            "" | "." => {}
            ".." => drop(folders.pop()),
            name => folders.push(name),
        }
    }
    Some(folders.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(files: &[(&str, &str)]) -> Vec<&'static str> {
        check(&Tree::of(files)).into_iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn long_vague_and_undescribed_files_are_rejected() {
        let text = |lines| "//! Rows.\n".repeat(lines);
        let (full, long, main) = (text(MAX_LINES), text(MAX_LINES + 1), text(MAX_MAIN_LINES + 1));
        assert_eq!(rules(&[("a.rs", &full), (GENERATED[0], &long), ("xtask/src/main.rs", &main)]), [""; 0]);
        assert_eq!(rules(&[("a.rs", &long), ("bins/api/src/main.rs", &main)]), ["size"; 2]);
        assert_eq!(rules(&[("a/utils.rs", "//! A."), ("a/common/b.rs", "//! B.")]), ["names"; 2]);
        assert_eq!(rules(&[("a.rs", "use b;"), ("b.rs", "//!"), ("c.rs", README)]), ["opening"; 3]);
        assert_eq!(rules(&[("a/src/lib.rs", README)]), [""; 0]);
        assert_eq!(rules(&[("crates/a.rs", "//! A.\n#[ignore]\nfn f() {}")]), ["marks"]);
    }

    #[test]
    fn documents_refer_to_existing_paths() {
        let found = |path: &str, text: &str| {
            check(&Tree::of(&[(path, text), ("docs/guide.md", ""), ("crates/a/src/lib.rs", "//! A.")])).len()
        };
        let text = "See `crates/a/src/lib.rs:12`, `crates/a/`, `crates/*/src`, `crates/<name>`, `docs/`, `a/b`,\n\
                    [guide](docs/guide.md#part), [web](https://example.org/a/b), [type](crate::Pool), [x](Pool).";
        assert_eq!(found("README.md", text), 0);
        assert_eq!(found("crates/a/README.md", "[guide](../../docs/guide.md) [code](src/lib.rs)"), 0);
        assert_eq!(found("README.md", "`crates/gone/src` and [b](docs/gone.md)"), 2);
        assert_eq!(found("docs/other.md", "[c](../crates/b) [d](gone.md)"), 2);
    }
}
