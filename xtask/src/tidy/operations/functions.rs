//! The functions of a file: where they begin, what is their body, and who can see them.

use crate::tidy::source::{closing, occurrences, word};
use std::ops::Range;

/// One function with a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: String,
    /// Position of the keyword.
    pub(super) at: usize,
    pub(super) parameters: Range<usize>,
    pub(super) body: Range<usize>,
    /// Whether other crates can call it.
    pub(super) is_public: bool,
}

/// Returns the functions of `code`.
pub(super) fn functions(code: &str) -> Vec<Function> {
    occurrences(code, "fn").filter_map(|at| function(code, at)).collect()
}

/// Returns the innermost function around the byte at `at`.
pub(super) fn around(functions: &[Function], at: usize) -> Option<&Function> {
    functions.iter().filter(|function| function.body.contains(&at)).min_by_key(|function| function.body.len())
}

fn function(code: &str, at: usize) -> Option<Function> {
    let rest = &code[at + "fn".len()..];
    let name: String = rest.trim_start().chars().take_while(|character| word(*character)).collect();
    if name.is_empty() {
        return None;
    }
    let open = after_generics(code, at + "fn".len() + rest.find(name.as_str())? + name.len())?;
    let parameters = open..closing(code, open);
    let body = body(code, parameters.end)?;
    Some(Function { name, at, parameters, body, is_public: is_public(&code[..at]) })
}

/// Returns where the parameters open, behind what stands in angle brackets.
fn after_generics(code: &str, from: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut previous = ' ';
    for (offset, character) in code[from..].char_indices() {
        match character {
            '<' => depth += 1,
            '>' if previous != '-' => depth = depth.saturating_sub(1),
            '(' if depth == 0 => return Some(from + offset),
            _ => {}
        }
        previous = character;
    }
    None
}

/// Returns the body behind the parameters that end at `from`; none for a function that is only declared.
fn body(code: &str, from: usize) -> Option<Range<usize>> {
    let mut at = from + 1;
    loop {
        let found = at + code.get(at..)?.find(['{', '(', '[', ';'])?;
        match &code[found..=found] {
            ";" => return None,
            "{" => return Some(found..closing(code, found)),
            _ => at = closing(code, found) + 1,
        }
    }
}

/// Returns true if `before` ends with `pub`. `pub(crate)` and the like are not public.
fn is_public(before: &str) -> bool {
    let before = ["async", "const"]
        .into_iter()
        .fold(before.trim_end(), |before, word| before.strip_suffix(word).unwrap_or(before).trim_end());
    before.ends_with("pub")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_have_name_body_and_visibility() {
        let code = "pub async fn f<F: Fn(u8) -> u8>(a: [u8; 2]) -> [u8; 2] { a }\n\
                    pub(super) fn g() where A: B { fn h() { 1 } }\ntrait T { fn i(&self); }\nlet j: fn(u8);";
        let functions = functions(code);
        let found: Vec<_> = functions
            .iter()
            .map(|found| (&*found.name, &code[found.body.clone()], found.is_public))
            .collect();
        assert_eq!(found, [("f", "{ a ", true), ("g", "{ fn h() { 1 } ", false), ("h", "{ 1 ", false)]);
        let one = code.find('1').expect("a one");
        assert_eq!(around(&functions, one).map(|found| &*found.name), Some("h"));
    }
}
