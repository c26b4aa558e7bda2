//! No room is called after nothing in particular.

use super::tree::{File, Finding, Tree};

const RULE: &str = "names";

/// Names that say nothing of what is inside, so that everything ends up there.
const VAGUE: [&str; 7] = ["util", "utils", "helper", "helpers", "common", "misc", "shared"];

/// Rust files with such a name, or in a folder with one.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.rust().filter_map(vague).collect()
}

fn vague(file: &File) -> Option<Finding> {
    let name = file.folders().chain([file.stem()]).find(|name| VAGUE.contains(name))?;
    Some(file.finding(1, RULE, format!("`{name}` says nothing: name it after what it holds")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_with_a_name_passes() {
        assert_eq!(
            check(&Tree::of(&[("a/src/envelope.rs", ""), ("a/src/uncommon.rs", ""), ("a/utils.md", "")])),
            []
        );
    }

    #[test]
    fn a_vague_file_or_folder_is_found() {
        assert_eq!(check(&Tree::of(&[("a/src/utils.rs", ""), ("a/src/common/rows.rs", "")])).len(), 2);
    }
}
