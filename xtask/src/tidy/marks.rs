//! Nothing half done stays behind: no reminders, no switched-off tests, no silenced lints, no debug prints.

use super::source::{line_at, occurrences};
use super::tree::{File, Finding, Tree};

const RULE: &str = "marks";

/// Reminders, wherever they stand but in literals.
const REMINDERS: [(&str, &str); 2] =
    [("TODO", "do it, or open an issue and say what is true today"), ("FIXME", "mend it, or open an issue")];

/// What code may not say.
const REFUSED: [(&str, &str); 4] = [
    ("#[ignore", "a test that does not run proves nothing: mend it or delete it"),
    ("#[allow(", "mend the cause, or use #[expect(..., reason = \"...\")]"),
    ("#![allow(", "mend the cause, or use #![expect(..., reason = \"...\")]"),
    ("dbg!", "log an event instead"),
];

/// Lines with such a mark.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.rust()
        .flat_map(|file| {
            search(file, &file.code_and_comments(), &REMINDERS)
                .chain(search(file, &file.code(), &REFUSED))
                .collect::<Vec<_>>()
        })
        .collect()
}

fn search(file: &File, text: &str, marks: &[(&str, &str)]) -> impl Iterator<Item = Finding> {
    let mut found = Vec::new();
    for (mark, advice) in marks {
        found.extend(
            occurrences(text, mark)
                .map(|at| file.finding(line_at(text, at), RULE, format!("{mark}: {advice}"))),
        );
    }
    found.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finished_code_passes() {
        let text = "//! Room.\n#[expect(clippy::x, reason = \"y\")]\nfn f() { g(\"TODO #[allow(\"); }\n";
        assert_eq!(check(&Tree::of(&[("a.rs", text)])), []);
    }

    #[test]
    fn each_mark_is_found_where_it_stands() {
        let text = "//! Room.\n// TODO: later\n#[ignore = \"slow\"]\n#[allow(dead_code)]\nfn f() { dbg!(1); }\n/* FIXME */\n";
        let mut lines: Vec<usize> =
            check(&Tree::of(&[("a.rs", text)])).iter().map(|finding| finding.line).collect();
        lines.sort_unstable();
        assert_eq!(lines, [2, 3, 4, 5, 6]);
    }
}
