//! The grid of areas and layers: an area that has tables has its room in every layer, and no layer has others.

use super::rooms::{AREAS, LAYERS, REQUIRED, ROOMS, Room};
use super::tree::{Finding, Tree, below};
use std::collections::BTreeSet;

const RULE: &str = "grid";

const MIGRATIONS: &str = "migrations";

/// Where the names of rooms are kept.
const LIST: &str = "xtask/src/tidy/rooms.rs";

/// Missing rooms, unknown rooms, unused lines of the list, and migrations whose names do not say their area.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    check_against(tree, ROOMS)
}

fn check_against(tree: &Tree, rooms: &[Room]) -> Vec<Finding> {
    let mut findings = migrations(tree);
    findings.extend(missing(tree));
    findings.extend(LAYERS.iter().flat_map(|layer| unknown(tree, layer, rooms)));
    findings.extend(rooms.iter().filter(|room| unused(tree, room)).map(|room| {
        at(
            LIST,
            format!("{}/{} does not exist: delete its line (\"{}\")", room.layer, room.name, room.reason),
        )
    }));
    findings
}

fn migrations(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for folder in migration_folders(tree) {
        let path = format!("{MIGRATIONS}/{folder}");
        if area_of(folder).is_none() {
            findings.push(at(&path, "name it <date>_<area>_<change>, as in 2026-11-21-000100_keys_create"));
        }
        for script in ["up.sql", "down.sql"] {
            if tree.file(&format!("{path}/{script}")).is_none() {
                findings.push(at(&path, format!("add {script}")));
            }
        }
    }
    findings
}

fn migration_folders(tree: &Tree) -> BTreeSet<&str> {
    let inside = tree.under(MIGRATIONS).filter_map(|file| below(&file.path, MIGRATIONS));
    inside.filter_map(|path| path.split_once('/')).map(|(folder, _)| folder).collect()
}

/// The area that a migration's folder names.
fn area_of(folder: &str) -> Option<&'static str> {
    let (date, rest) = folder.split_once('_')?;
    let (area, change) = rest.split_once('_')?;
    let dated = date.starts_with(|c: char| c.is_ascii_digit())
        && date.chars().all(|c| c.is_ascii_digit() || c == '-');
    AREAS.into_iter().find(|known| *known == area).filter(|_| dated && !change.is_empty())
}

fn missing(tree: &Tree) -> Vec<Finding> {
    let with_tables: BTreeSet<&str> = migration_folders(tree).into_iter().filter_map(area_of).collect();
    let cells = with_tables.iter().flat_map(|area| REQUIRED.iter().map(move |layer| (*area, *layer)));
    cells
        .filter(|(area, layer)| !tree.rooms(layer).contains(area))
        .map(|(area, layer)| {
            at(
                &format!("{layer}/{area}.rs"),
                format!("the area `{area}` has tables: give it this file, or a folder of its name"),
            )
        })
        .collect()
}

fn unknown(tree: &Tree, layer: &str, rooms: &[Room]) -> Vec<Finding> {
    let known = |name: &str| {
        AREAS.contains(&name) || rooms.iter().any(|room| room.layer == layer && room.name == name)
    };
    let strangers = tree.rooms(layer).into_iter().filter(|name| !known(name));
    strangers.map(|name| at(&format!("{layer}/{name}"), format!("neither an area nor a room of this layer: move it into one, or give it a line and a reason in {LIST}"))).collect()
}

fn unused(tree: &Tree, room: &Room) -> bool {
    !room.later && !tree.rooms(room.layer).contains(room.name)
}

fn at(path: &str, advice: impl Into<String>) -> Finding {
    Finding { path: path.to_owned(), line: 1, rule: RULE, advice: advice.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIB: Room =
        Room { layer: "crates/domain/src", name: "lib", reason: "lists the rooms", later: false };
    const MONEY: Room = Room { layer: "crates/domain/src", name: "money", reason: "amounts", later: true };

    const WHOLE: [(&str, &str); 9] = [
        ("crates/domain/src/keys.rs", ""),
        ("crates/domain/src/lib.rs", ""),
        ("crates/http/src/keys/wire.rs", ""),
        ("crates/http/tests/keys.rs", ""),
        ("crates/repository/src/keys.rs", ""),
        ("crates/repository/tests/keys/main.rs", ""),
        ("crates/services/src/jobs.rs", ""),
        ("migrations/2026-11-21-000100_keys_create/down.sql", ""),
        ("migrations/2026-11-21-000100_keys_create/up.sql", ""),
    ];

    /// The paths of what is found in the whole grid without `gone` and with `more`.
    fn found(gone: &str, more: &[&str]) -> Vec<String> {
        let mut files: Vec<(&str, &str)> = WHOLE.into_iter().filter(|(path, _)| *path != gone).collect();
        files.extend(more.iter().map(|path| (*path, "")));
        check_against(&Tree::of(&files), &[LIB, MONEY]).into_iter().map(|finding| finding.path).collect()
    }

    #[test]
    fn a_whole_grid_passes() {
        assert_eq!(found("", &[]), [""; 0]);
    }

    #[test]
    fn an_area_with_tables_needs_its_room_in_every_layer() {
        assert_eq!(found("crates/http/tests/keys.rs", &[]), ["crates/http/tests/keys.rs"]);
    }

    #[test]
    fn a_stranger_among_the_rooms_is_found() {
        assert_eq!(found("", &["crates/http/src/things.rs"]), ["crates/http/src/things"]);
        assert_eq!(
            found("", &["crates/http/src/lib.rs"]),
            ["crates/http/src/lib"],
            "a room belongs to one layer"
        );
    }

    #[test]
    fn a_line_of_the_list_without_a_room_is_found_unless_for_later() {
        assert_eq!(found("crates/domain/src/lib.rs", &[]), [LIST]);
    }

    #[test]
    fn a_migration_says_its_area_and_can_be_undone() {
        let folder = "migrations/2026-11-22-000100_house_build";
        assert_eq!(found("", &[&format!("{folder}/up.sql"), &format!("{folder}/down.sql")]), [folder]);
        let undone = "migrations/2026-11-21-000100_keys_create";
        assert_eq!(found(&format!("{undone}/down.sql"), &[]), [undone]);
        assert_eq!(area_of("2026_keys_"), None);
        assert_eq!(area_of("first_keys_create"), None);
        assert_eq!(area_of("2026-11-21-000100_keys_create"), Some("keys"));
    }

    #[test]
    fn every_room_of_the_list_is_in_a_layer_and_has_a_reason() {
        for room in ROOMS {
            assert!(LAYERS.contains(&room.layer) && !room.reason.is_empty(), "{room:?}");
        }
    }
}
