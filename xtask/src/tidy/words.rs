//! Crates that others import name no business noun: what they know of the service is a value that they are given.

use super::source::{line_at, word};
use super::tree::{File, Finding, Tree};

const RULE: &str = "words";

/// Crates for others whose subject is no business of ours.
const FOR_OTHERS: [&str; 4] = ["crates/resilience", "crates/postgres", "crates/plans", "crates/testkit"];

/// Business nouns, in singular. A noun of several words stands with underscores.
const NOUNS: [&str; 16] = [
    "product",
    "pidkey",
    "pidms",
    "icd",
    "icd10",
    "diagnosis",
    "patient",
    "client_record",
    "appointment",
    "ledger",
    "bid",
    "shopping",
    "practice",
    "job",
    "applicant",
    "terminology",
];

/// Business nouns in identifiers and literals; comments may give examples.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let files =
        FOR_OTHERS.iter().flat_map(|folder| tree.under(folder)).filter(|file| file.path.ends_with(".rs"));
    files.flat_map(check_file).collect()
}

fn check_file(file: &File) -> Vec<Finding> {
    let text = file.code_and_literals();
    let nouns = identifiers(&text)
        .filter_map(|(at, identifier)| noun_in(identifier).map(|noun| (at, identifier, noun)));
    nouns
        .map(|(at, identifier, noun)| {
            file.finding(
                line_at(&text, at),
                RULE,
                format!("`{identifier}` names `{noun}`: take it as a value, or say it in general words"),
            )
        })
        .collect()
}

fn identifiers(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let start = text.as_ptr() as usize;
    text.split(|c: char| !word(c))
        .filter(|part| !part.is_empty())
        .map(move |part| (part.as_ptr() as usize - start, part))
}

/// The noun that `identifier` has among its parts, in singular or plural.
fn noun_in(identifier: &str) -> Option<&'static str> {
    let parts = format!("_{}_", snake(identifier));
    NOUNS
        .into_iter()
        .find(|noun| parts.contains(&format!("_{noun}_")) || parts.contains(&format!("_{noun}s_")))
}

/// `identifier` in lower case, with underscores before the capitals that begin a word.
fn snake(identifier: &str) -> String {
    let mut parts = String::with_capacity(identifier.len() + 4);
    let mut before = '_';
    let mut characters = identifier.chars().peekable();
    while let Some(character) = characters.next() {
        let begins = character.is_uppercase()
            && (!before.is_uppercase() || characters.peek().is_some_and(|c| c.is_lowercase()));
        if begins && before != '_' {
            parts.push('_');
        }
        parts.extend(character.to_lowercase());
        before = character;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(code: &str) -> usize {
        check(&Tree::of(&[("crates/postgres/src/pool.rs", code)])).len()
    }

    #[test]
    fn technical_words_pass() {
        assert_eq!(
            found("//! Like a job.\nlet primary_key = forbidden(\"production\"); // patient\nfn morbid() {}"),
            0
        );
        assert_eq!(check(&Tree::of(&[("crates/pidkey/src/lib.rs", "struct Product;")])), []);
    }

    #[test]
    fn a_noun_is_found_in_any_spelling() {
        for code in [
            "struct JobRow;",
            "fn list_jobs() {}",
            "\"select * from pidms_keys\"",
            "ICD10Code",
            "client_records",
            "HTTPBid",
        ] {
            assert_eq!(found(code), 1, "{code}");
        }
    }

    #[test]
    fn identifiers_split_where_words_begin() {
        assert_eq!(snake("HTTPServerError"), "http_server_error");
        assert_eq!(snake("already_snake"), "already_snake");
        assert_eq!(snake("Icd10Code"), "icd10_code");
    }
}
