//! Every Rust file says in its first line what the room is for.

use super::tree::{File, Finding, Tree};

const RULE: &str = "opening";

/// How a library may begin whose documentation is its README.
const README: &str = "#![doc = include_str!(\"../README.md\")]";

/// Files whose first line is something else.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.rust()
        .filter(|file| !opens(file))
        .map(|file| file.finding(1, RULE, "begin with a `//!` line that says what the file is for"))
        .collect()
}

fn opens(file: &File) -> bool {
    let first = file.text.lines().next().unwrap_or_default();
    let said = first.strip_prefix("//!").is_some_and(|rest| !rest.trim().is_empty());
    said || (first == README && file.path.ends_with("src/lib.rs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_says_what_it_is_for_passes() {
        let tree = Tree::of(&[
            ("a/src/lib.rs", "#![doc = include_str!(\"../README.md\")]\n"),
            ("a/src/b.rs", "//! Rows.\n"),
        ]);
        assert_eq!(check(&tree), []);
    }

    #[test]
    fn a_silent_file_is_found() {
        let tree = Tree::of(&[
            ("a.rs", "use b;\n"),
            ("b.rs", ""),
            ("c.rs", "//!\n"),
            ("d.rs", "#![doc = include_str!(\"../README.md\")]\n"),
        ]);
        assert_eq!(check(&tree).len(), 4);
    }
}
