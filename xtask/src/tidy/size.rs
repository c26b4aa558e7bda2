//! Files and functions are small enough to be read whole.

use super::source::{closing, line_at, occurrences, word};
use super::tree::{File, Finding, Tree};

const RULE: &str = "size";

/// Lines of a file, tests and comments included.
const FILE_MAX: usize = 500;

/// Lines of a function, from its `fn` to its closing brace.
const FUNCTION_MAX: usize = 70;

/// Lines of a program's main file: it reads arguments, calls the library, decides the exit code.
const MAIN_MAX: usize = 60;

/// Written by a program, read by programs.
const GENERATED: [&str; 1] = ["crates/schema/src/schema.rs"];

/// Files and functions above their limits.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.rust().filter(|file| !GENERATED.contains(&file.path.as_str())).flat_map(check_file).collect()
}

fn check_file(file: &File) -> Vec<Finding> {
    let lines = file.text.lines().count();
    let max = if is_main(&file.path) { MAIN_MAX } else { FILE_MAX };
    let too_long = (lines > max).then(|| {
        file.finding(
            max + 1,
            RULE,
            format!("{lines} lines, at most {max}: split it by what its parts are for"),
        )
    });
    let functions = functions(&file.code()).into_iter().filter(|function| function.lines > FUNCTION_MAX).map(
        |function| {
            let Function { name, line, lines } = function;
            file.finding(
                line,
                RULE,
                format!("fn {name} has {lines} lines, at most {FUNCTION_MAX}: let it call parts with names"),
            )
        },
    );
    too_long.into_iter().chain(functions).collect()
}

fn is_main(path: &str) -> bool {
    path.starts_with("bins/") && path.ends_with("/src/main.rs")
}

#[derive(Debug, PartialEq, Eq)]
struct Function {
    name: String,
    line: usize,
    lines: usize,
}

/// The functions with a body in `code`, whose comments and literals are blanked.
fn functions(code: &str) -> Vec<Function> {
    occurrences(code, "fn").filter_map(|at| function(code, at)).collect()
}

fn function(code: &str, at: usize) -> Option<Function> {
    let rest = code[at + "fn".len()..].trim_start();
    let name: String = rest.chars().take_while(|c| word(*c)).collect();
    if name.is_empty() {
        return None;
    }
    let open = body(code, at)?;
    let (first, last) = (line_at(code, at), line_at(code, closing(code, open)));
    Some(Function { name, line: first, lines: last - first + 1 })
}

/// Where the body opens of the function whose signature begins at `at`; nothing where it only declares one.
fn body(code: &str, at: usize) -> Option<usize> {
    let mut skip_to = at;
    for (offset, character) in code[at..].char_indices() {
        let here = at + offset;
        if here < skip_to {
            continue;
        }
        match character {
            '(' | '[' => skip_to = closing(code, here),
            '{' => return Some(here),
            ';' => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function_of(lines: usize) -> String {
        format!("//! Room.\nfn long(a: [u8; 3]) -> u8 {{\n{}}}\n", "    a();\n".repeat(lines - 2))
    }

    #[test]
    fn what_is_within_its_limits_passes() {
        let file = format!("//! Room.\n{}", "\n".repeat(FILE_MAX - 1));
        let tree = Tree::of(&[("a.rs", &file), ("b.rs", &function_of(FUNCTION_MAX))]);
        assert_eq!(check(&tree), []);
    }

    #[test]
    fn a_long_file_is_found_unless_generated() {
        let file = format!("//! Room.\n{}", "\n".repeat(FILE_MAX));
        let found = check(&Tree::of(&[("a.rs", &file), ("crates/schema/src/schema.rs", &file)]));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].path.as_str(), found[0].line), ("a.rs", 501));
    }

    #[test]
    fn a_long_function_is_found_where_it_begins() {
        let found = check(&Tree::of(&[("a.rs", &function_of(FUNCTION_MAX + 1))]));
        assert_eq!(found.len(), 1);
        assert!(found[0].line == 2 && found[0].advice.contains("fn long has 71 lines"), "{found:?}");
    }

    #[test]
    fn a_main_file_has_a_limit_of_its_own() {
        let file = "//! Starts.\n".repeat(MAIN_MAX + 1);
        let found = check(&Tree::of(&[("bins/api/src/main.rs", &file), ("xtask/src/main.rs", &file)]));
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn declarations_and_pointers_are_no_functions() {
        let code = "trait T { fn a(&self, b: [u8; 2]); fn c() {} } type P = fn(u8) -> u8;";
        let names: Vec<String> = functions(code).into_iter().map(|function| function.name).collect();
        assert_eq!(names, ["c"]);
    }
}
