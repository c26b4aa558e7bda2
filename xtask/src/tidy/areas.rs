//! Areas of one layer do not see each other; what two of them need is a room of its own, or an area that serves others.

use super::rooms::{AREAS, CALLED_BY_OTHERS};
use super::source::{closing, line_at, occurrences, word};
use super::tree::{File, Finding, Tree, below};

const RULE: &str = "areas";

const LAYERS: [&str; 4] =
    ["crates/domain/src", "crates/repository/src", "crates/services/src", "crates/http/src"];

/// Paths in an area's code that lead into another area.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    LAYERS
        .iter()
        .flat_map(|layer| tree.under(layer).filter_map(move |file| Some((file, area_of(file, layer)?))))
        .flat_map(|(file, area)| check_file(file, area))
        .collect()
}

fn area_of(file: &File, layer: &str) -> Option<&'static str> {
    let room = below(&file.path, layer)?.trim_end_matches(".rs").split('/').next()?;
    AREAS.into_iter().find(|area| *area == room)
}

fn check_file(file: &File, own: &str) -> Vec<Finding> {
    let code = file.code();
    let seen = ["crate::", "super::"]
        .into_iter()
        .flat_map(|root| occurrences(&code, root).map(move |at| at + root.len()));
    let named = seen
        .flat_map(|at| firsts(&code, at))
        .filter(|(_, name)| AREAS.contains(name) && !CALLED_BY_OTHERS.contains(name) && *name != own);
    named.map(|(at, name)| {
        file.finding(line_at(&code, at), RULE, format!("`{own}` sees `{name}`: join them one layer up, or move what both need into a room of its own"))
    }).collect()
}

/// The first names of the path, or of the group of paths, that goes on at `at`.
fn firsts(code: &str, at: usize) -> Vec<(usize, &str)> {
    if !code[at..].starts_with('{') {
        return name_at(code, at).into_iter().collect();
    }
    let end = closing(code, at);
    let mut names = Vec::new();
    let mut here = at + 1;
    while here < end {
        names.extend(name_at(code, here));
        here = end_of_item(code, here, end) + 1;
    }
    names
}

fn name_at(code: &str, from: usize) -> Option<(usize, &str)> {
    let at = from + code[from..].find(|c: char| !c.is_whitespace())?;
    let name = code[at..].split(|c: char| !word(c)).next()?;
    Some((at, name))
}

/// Where the item of a group that begins at `from` ends.
fn end_of_item(code: &str, from: usize, end: usize) -> usize {
    let mut skip_to = from;
    for (offset, character) in code[from..end].char_indices() {
        let here = from + offset;
        match character {
            _ if here < skip_to => {}
            '{' => skip_to = closing(code, here),
            ',' => return here,
            _ => {}
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, code: &str) -> Vec<usize> {
        check(&Tree::of(&[(path, code)])).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn rooms_for_all_and_areas_for_others_may_be_seen() {
        let code = "use crate::{page::Page, identity::Principal};\nuse super::rows;\nuse crate::keys::rows;\n// crate::jobs\nlet a = jobs::b;";
        assert_eq!(lines("crates/repository/src/keys/queries.rs", code), [0; 0]);
        assert_eq!(lines("crates/http/src/router.rs", "use crate::jobs;"), [0; 0]);
    }

    #[test]
    fn another_area_is_found_in_a_path_and_in_a_group() {
        assert_eq!(lines("crates/repository/src/keys.rs", "\nuse crate::jobs::Row;"), [2]);
        assert_eq!(lines("crates/http/src/keys/wire.rs", "super::practice::f()"), [1]);
        let group = "use crate::{\n    page::{A, B},\n    shopping::{Row},\n    text, jobs,\n};";
        assert_eq!(lines("crates/domain/src/keys.rs", group), [3, 4]);
    }
}
