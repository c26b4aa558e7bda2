//! Crates for other projects name no business noun: they take such names as values.

use super::tree::{File, Finding, Tree};
use heck::ToSnakeCase as _;
use proc_macro2::{TokenStream, TokenTree};

const RULE: &str = "nouns";

/// Returns the business nouns in identifiers and literals. Comments may give examples.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let files = tree.config.crates_for_others.iter().flat_map(|folder| tree.rust_under(folder));
    files.flat_map(|file| check_file(&tree.config.business_nouns, file)).collect()
}

fn check_file(nouns: &[String], file: &File) -> Vec<Finding> {
    let mut words = Vec::new();
    if let Ok(tokens) = file.text.parse() {
        collect(tokens, &mut words);
    }
    let found = words.iter().filter_map(|(line, word)| Some((*line, word, noun_in(nouns, word)?)));
    let advice = |word: &str, noun: &str| {
        format!("`{word}` names `{noun}`: take it as a value, or use a general term")
    };
    found.map(|(line, word, noun)| file.finding(line, RULE, advice(word, noun))).collect()
}

/// Collects the identifiers, and the words in literals, with their lines.
fn collect(tokens: TokenStream, words: &mut Vec<(usize, String)>) {
    for token in tokens {
        let line = token.span().start().line;
        match token {
            TokenTree::Group(group) if !group.stream().to_string().starts_with("doc =") => {
                collect(group.stream(), words);
            }
            TokenTree::Ident(name) => words.push((line, name.to_string())),
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                let parts = text.split(|c: char| !c.is_alphanumeric() && c != '_');
                words.extend(parts.map(|part| (line, part.to_owned())));
            }
            _ => {}
        }
    }
}

/// Returns the noun among the words of `identifier`, in the singular or plural.
fn noun_in<'a>(nouns: &'a [String], identifier: &str) -> Option<&'a String> {
    let words = format!("_{}_", identifier.to_snake_case());
    let is_in = |noun: &&String| ["", "s"].iter().any(|end| words.contains(&format!("_{noun}{end}_")));
    nouns.iter().find(is_in)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nouns_are_found_in_any_spelling() {
        let found = |path: &str, code: &str| check(&Tree::of(&[(path, code)])).len();
        let allowed = "//! Like a job.\nconst KEY: bool = f(\"production\"); // patient\nfn morbid() {}";
        assert_eq!(found("crates/postgres/src/pool.rs", allowed), 0);
        assert_eq!(found("crates/pidkey/src/lib.rs", "struct Product;"), 0);
        for code in [
            "struct JobRow;",
            "fn list_jobs() {}",
            "const A: &str = \"select * from pidms_keys\";",
            "struct ICD10Code;",
            "struct HTTPBid;",
            "fn f() { g!(client_records) }",
        ] {
            assert_eq!(found("crates/postgres/src/pool.rs", code), 1, "{code}");
        }
    }
}
