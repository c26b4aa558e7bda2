//! Documents name only paths that exist.

use super::tree::{File, Finding, Tree};

const RULE: &str = "paths";

/// What begins so is a path of this checkout.
const ROOTS: [&str; 9] =
    ["crates/", "bins/", "docs/", "xtask/", "migrations/", "data/", ".config/", ".ci/", ".cargo/"];

/// Paths in backticks, and links, that lead nowhere: in documents at the root, in `docs`, and in packages' READMEs.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.files().filter(|file| is_document(&file.path)).flat_map(|file| check_file(tree, file)).collect()
}

fn is_document(path: &str) -> bool {
    path.ends_with(".md")
        && (!path.contains('/') || path.starts_with("docs/") || path.ends_with("/README.md"))
}

fn check_file(tree: &Tree, file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let quoted = line.split('`').skip(1).step_by(2).filter_map(quoted_path);
        let linked = line.split("](").skip(1).filter_map(|rest| linked_path(&file.path, rest));
        let gone = quoted.chain(linked).filter(|path| !tree.exists(path));
        findings.extend(gone.map(|path| {
            file.finding(index + 1, RULE, format!("there is no {path}: name what is there today"))
        }));
    }
    findings
}

/// The path in backticks, unless it is a pattern or no path of ours.
fn quoted_path(quoted: &str) -> Option<String> {
    let path = quoted.split([':', '#']).next()?.trim_end_matches('/');
    let plain = path.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c));
    let ours = ROOTS.iter().any(|root| path.starts_with(root) && path.len() > root.len());
    (plain && ours).then(|| path.to_owned())
}

/// Where a link of the document at `document` leads; nothing for addresses, anchors and names of Rust items.
fn linked_path(document: &str, rest: &str) -> Option<String> {
    let target = rest.split([')', '#', ' ']).next()?.trim_end_matches('/');
    let is_path = (target.contains('/') || target.ends_with(".md")) && !target.contains(':');
    is_path.then(|| resolve(document, target))
}

fn resolve(document: &str, target: &str) -> String {
    let mut folders: Vec<&str> = document.split('/').collect();
    folders.pop();
    for step in target.split('/') {
        match step {
            "" | "." => {}
            ".." => drop(folders.pop()),
            name => folders.push(name),
        }
    }
    folders.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let files = [(path, text), ("docs/guide.md", ""), ("crates/a/src/lib.rs", "")];
        check(&Tree::of(&files)).into_iter().map(|finding| finding.advice).collect()
    }

    #[test]
    fn what_exists_or_is_no_path_passes() {
        let text = "See `crates/a/src/lib.rs:12`, `crates/a/`, `crates/*/src`, `crates/<name>`, `docs/`, `a/b`,\n\
                    [guide](docs/guide.md#part), [web](https://example.org/a/b), [type](crate::Pool), [x](Pool), [y](#here).";
        assert_eq!(found("README.md", text), [""; 0]);
        assert_eq!(found("crates/a/README.md", "[guide](../../docs/guide.md) [code](src/lib.rs)"), [""; 0]);
        assert_eq!(found("crates/a/notes.md", "`crates/gone`"), [""; 0]);
    }

    #[test]
    fn what_leads_nowhere_is_found() {
        assert_eq!(found("README.md", "`crates/gone/src` and [b](docs/gone.md)").len(), 2);
        assert_eq!(found("docs/other.md", "[c](../crates/b) [d](gone.md)").len(), 2);
    }
}
