//! Imports and path expressions of a Rust file, as far as tokens tell them.

use super::source::{closing, occurrences, word};
use std::ops::Range;

/// One name that a `use` item brings into scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Import<'a> {
    /// Name in the file: the alias, the last segment, or `*`.
    pub(super) name: &'a str,
    /// Full path, without the alias.
    pub(super) path: Vec<&'a str>,
}

/// Returns the names that the `use` items of `code` bring into scope.
pub(super) fn imports(code: &str) -> Vec<Import<'_>> {
    let mut found = Vec::new();
    for item in use_items(code) {
        flatten(&code[item.start + "use".len()..item.end], &[], &mut found);
    }
    found
}

/// Returns `code` with its `use` items blanked. Lines keep their numbers.
pub(super) fn without_imports(code: &str) -> String {
    let mut kept = code.to_owned();
    for item in use_items(code) {
        let blank: String = code[item.clone()].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        // A character of several bytes is one blank, which no code has outside of literals.
        if blank.len() == item.len() {
            kept.replace_range(item, &blank);
        }
    }
    kept
}

/// Returns each path expression of `code` and its position: `a::b::c` is one, and so is a lone identifier.
pub(super) fn paths(code: &str) -> Vec<(usize, Vec<&str>)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = code[at..].find(word).map(|offset| at + offset) {
        let mut segments = Vec::new();
        let mut end = start;
        loop {
            let length = code[end..].find(|c| !word(c)).unwrap_or(code.len() - end);
            segments.push(&code[end..end + length]);
            end += length;
            match code[end..].strip_prefix("::") {
                Some(rest) if rest.starts_with(word) => end += "::".len(),
                _ => break,
            }
        }
        found.push((start, segments));
        at = end;
    }
    found
}

/// Returns the path that `segments` stand for, with the first one replaced by what it was imported as.
pub(super) fn expanded<'a>(segments: &[&'a str], imports: &[Import<'a>]) -> Vec<&'a str> {
    let import = segments.first().and_then(|first| imports.iter().find(|import| import.name == *first));
    match import {
        Some(import) => import.path.iter().chain(&segments[1..]).copied().collect(),
        None => segments.to_vec(),
    }
}

fn use_items(code: &str) -> impl Iterator<Item = Range<usize>> {
    let is_item = |at: &usize| code[at + "use".len()..].starts_with(char::is_whitespace);
    occurrences(code, "use").filter(is_item).map(|at| {
        let end = code[at..].find(';').map_or(code.len(), |end| at + end);
        at..end
    })
}

fn flatten<'a>(tree: &'a str, prefix: &[&'a str], found: &mut Vec<Import<'a>>) {
    let tree = tree.trim();
    let (head, group) = match tree.find('{') {
        Some(open) => (&tree[..open], Some(&tree[open + 1..closing(tree, open)])),
        None => (tree, None),
    };
    let (head, alias) = head.split_once(" as ").unwrap_or((head, ""));
    let mut path = prefix.to_vec();
    path.extend(head.split("::").map(str::trim).filter(|segment| !segment.is_empty()));
    if let Some(group) = group {
        items(group).for_each(|item| flatten(item, &path, found));
        return;
    }
    // `{self}` stands for the module around it.
    if path.len() > 1 && path.last() == Some(&"self") {
        path.pop();
    }
    if let Some(last) = path.last().copied() {
        let name = if alias.is_empty() { last } else { alias.trim() };
        found.push(Import { name, path });
    }
}

/// Splits the inside of a group at its own commas.
fn items(group: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_usize;
    let items = group.split(move |character| {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ',' && depth == 0
    });
    items.filter(|item| !item.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_flattened() {
        let code =
            "use a::b;\nuse a::{self, c::{d, e as f}, g::*};\nfn h() -> impl I + use<'_> { use i::J; }";
        let found: Vec<(&str, String)> =
            imports(code).into_iter().map(|import| (import.name, import.path.join("::"))).collect();
        let expected =
            [("b", "a::b"), ("a", "a"), ("d", "a::c::d"), ("f", "a::c::e"), ("*", "a::g::*"), ("J", "i::J")];
        assert_eq!(found, expected.map(|(name, path)| (name, path.to_owned())));
        assert!(!without_imports(code).contains("i::J"));
        assert_eq!(without_imports(code).lines().count(), 3);
    }

    #[test]
    fn paths_are_found_whole_and_expanded() {
        let imports = imports("use a::b as c;");
        let expand = |code| -> Vec<String> {
            paths(code).into_iter().map(|(_, path)| expanded(&path, &imports).join("::")).collect()
        };
        assert_eq!(expand("c::d(&e) + f::<G>()"), ["a::b::d", "e", "f", "G"]);
    }
}
