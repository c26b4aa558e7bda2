//! Texts and names use standard terms: the words of `docs/vocabulary.txt` are rejected, each with its replacement.

use super::tree::{File, Finding, Tree, is_in};
use heck::ToSnakeCase as _;

const RULE: &str = "vocabulary";

/// Rejected words with their replacements, one pair per line.
const LIST: &str = include_str!("../../../docs/vocabulary.txt");

/// Returns the rejected words in Rust and Markdown files that are clean.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let entries: Vec<(&str, &str)> = LIST.lines().filter_map(|line| line.split_once(" -> ")).collect();
    let is_clean = |file: &&File| tree.config.clean.iter().any(|folder| is_in(&file.path, folder));
    let is_text = |file: &&File| file.path.ends_with(".rs") || file.path.ends_with(".md");
    tree.files().filter(is_text).filter(is_clean).flat_map(|file| check_file(file, &entries)).collect()
}

fn check_file(file: &File, entries: &[(&str, &str)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut doc: Option<(usize, &str)> = None;
    for (index, line) in file.text.lines().enumerate() {
        let trimmed = line.trim_start();
        let is_doc = trimmed.starts_with("///") || trimmed.starts_with("//!");
        let words = format!(" {} ", line.to_snake_case().replace('_', " "));
        for (entry, replacement) in entries {
            let is_rejected = match entry.starts_with('/') {
                true => {
                    doc.is_none() && trimmed.strip_prefix(entry).is_some_and(|rest| rest.starts_with(' '))
                }
                false => words.contains(&format!(" {} ", entry.to_lowercase())) && !is_quoted(line, entry),
            };
            if is_rejected {
                findings.push(file.finding(index + 1, RULE, format!("\"{entry}\": write {replacement}")));
            }
        }
        if is_doc {
            doc = doc.or_else(|| Some((index + 1, trimmed[3..].split_whitespace().next()?)));
        } else if !trimmed.starts_with("#[") {
            findings.extend(doc.take().filter(|(_, word)| is_function(trimmed) && !is_verb(word)).map(
                |(line, word)| {
                    let advice =
                        format!("\"{word}\": start the documentation of a function with a verb: \"Returns\"");
                    file.finding(line, RULE, advice)
                },
            ));
        }
    }
    findings
}

/// Returns true if `line` quotes `entry` alone, such as the system user `nobody`.
fn is_quoted(line: &str, entry: &str) -> bool {
    ['`', '"'].iter().any(|mark| line.contains(&format!("{mark}{entry}{mark}")))
}

/// Returns true if `line` starts a function.
fn is_function(line: &str) -> bool {
    let mut words = line.split(['(', ' ']).filter(|word| !word.is_empty());
    let modifiers = ["pub", "crate)", "super)", "async", "const", "unsafe"];
    words.find(|word| !modifiers.contains(word)) == Some("fn")
}

/// Returns true for a capitalised word that can be a verb in the third person.
fn is_verb(word: &str) -> bool {
    word.starts_with(char::is_uppercase) && word.ends_with('s') && !word.ends_with("ss")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_lines(text: &str, expected: &[usize]) {
        let entries = [("zap", "delete"), ("fine keys", "valid keys"), ("/// Whether", "True if")];
        let file = Tree::of(&[("xtask/src/a.rs", text)]);
        let findings = file.files().flat_map(|file| check_file(file, &entries));
        assert_eq!(findings.map(|finding| finding.line).collect::<Vec<_>>(), expected, "{text}");
    }

    #[test]
    fn rejects_words_in_any_spelling() {
        assert_lines("// Zapped and unzap it.\nstruct Zapper;", &[]);
        assert_lines("// The user `zap`.\nconst A: &str = \"zap\";", &[]);
        assert_lines(
            "fn zap_it() {}\nstruct FineKeys;\n// Zap it.\nconst A: &str = \"fine_keys\";",
            &[1, 2, 3, 4],
        );
    }

    #[test]
    fn rejects_documentation_without_verb() {
        assert_lines("/// Returns it\n/// Whether x.\nfn f() {}", &[]);
        assert_lines("/// Whether x.\nstruct S;", &[1]);
        assert_lines("/// The row.\n#[must_use]\npub(crate) async fn f() {}\n/// The row.\nstruct S;", &[1]);
        assert_lines("impl A {\n    /// Less.\n    pub fn f() {}\n    /// Opens it.\n    fn g() {}\n}", &[2]);
    }
}
