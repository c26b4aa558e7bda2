//! Resolution of findings: consequences and contradictions are removed.

use crate::catalogue::{Catalogue, Index};
use crate::finding::merged;
use crate::{Finding, Rule};

/// Removes findings that follow from others or contradict them, and merges those that several cases show.
///
/// - If a statement reads a whole table, its growth and its generic plan follow from that, and so do declared or
///   expected indexes that are not used. The same fault in the generic plan follows, too.
/// - An index is not called unneeded if another finding asks for a repair that may need it: of a statement on its table
///   that names its leading column, of an operation that declares it or uses it undeclared, or of a duplicate index.
pub fn resolved(findings: Vec<Finding>, catalogue: &Catalogue) -> Vec<Finding> {
    let is_left_out = |finding: &Finding| {
        let has_cause = findings.iter().any(|other| follows(finding, other));
        has_cause || findings.iter().any(|other| contradicts(finding, other, catalogue))
    };
    merged(findings.iter().filter(|finding| !is_left_out(finding)).cloned())
}

fn follows(finding: &Finding, other: &Finding) -> bool {
    let of_operation = finding.subject == other.subject;
    let of_statement = of_operation && finding.statement == other.statement;
    match (finding.rule, other.rule) {
        (Rule::GenericPlan | Rule::Growth, Rule::Unserved) => of_statement,
        (Rule::Unclaimed, Rule::Unserved) => of_operation,
        // A case does not use the index that it expects, because one of its statements reads a whole table.
        (Rule::Unserved, Rule::Unserved) => {
            of_operation
                && finding.case == other.case
                && finding.statement.is_empty()
                && !other.statement.is_empty()
        }
        (Rule::GenericPlan, Rule::Undeclared) => of_statement && finding.found.ends_with(&other.found),
        // `found` may contain values, which the generic plan does not have.
        (Rule::GenericPlan, Rule::Wasteful) => {
            of_statement && finding.case == other.case && finding.expected == other.expected
        }
        _ => false,
    }
}

/// Returns true if dropping the index of `finding` would contradict `other`.
fn contradicts(finding: &Finding, other: &Finding, catalogue: &Catalogue) -> bool {
    let Some(index) = catalogue.index(&finding.subject).filter(|_| finding.rule == Rule::Unneeded) else {
        return false;
    };
    match other.rule {
        Rule::Unclaimed => mentions(&other.expected, &index.name),
        Rule::Undeclared => mentions(&other.found, &index.name),
        Rule::Unserved | Rule::Wasteful | Rule::GenericPlan | Rule::Growth => would_serve(index, other),
        // The duplicate that remains, or a foreign key that the index would serve.
        Rule::Catalogue if other.subject != index.sql_name => {
            (other.suggestion.contains("DROP ") && mentions(&other.found, &index.sql_name))
                || (other.suggestion.contains("CREATE INDEX") && would_serve(index, other))
        }
        _ => false,
    }
}

/// Returns true if `index` may serve the statement of `finding`: it is on a table, and begins with a column or
/// expression, that the finding names.
fn would_serve(index: &Index, finding: &Finding) -> bool {
    let Some(key) = index.keys.first() else { return false };
    let key = key.column.as_ref().unwrap_or(&key.sql);
    let texts = [&finding.statement, &finding.expected, &finding.found, &finding.suggestion];
    let names = |name: &str| texts.iter().any(|text| mentions(text, name));
    names(&index.table) && names(key)
}

/// Returns true if `text` contains `name` as a word, quoted or not, schema-qualified or not.
fn mentions(text: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let (text, name) = (text.replace('"', ""), name.replace('"', ""));
    let bare = name.rsplit('.').next().unwrap_or(&name);
    !bare.is_empty()
        && text
            .match_indices(bare)
            .any(|(at, _)| !text[..at].ends_with(is_part) && !text[at + bare.len()..].starts_with(is_part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Key;

    fn index(name: &str, column: &str) -> Index {
        let key = Key {
            sql: column.to_owned(),
            column: Some(column.to_owned()),
            data_type: "integer".to_owned(),
            opclass: None,
            collation: None,
            is_descending: false,
            nulls_first: false,
        };
        Index {
            name: name.to_owned(),
            sql_name: name.to_owned(),
            table: "books".to_owned(),
            method: "btree".to_owned(),
            keys: vec![key],
            included: Vec::new(),
            predicate: None,
            is_unique: false,
            nulls_not_distinct: false,
            is_valid: true,
            storage: String::new(),
            constraint: None,
            parent: None,
            bytes: 8192,
            definition: String::new(),
        }
    }

    fn of_statement(rule: Rule, statement: &str, expected: &str, found: &str) -> Finding {
        Finding {
            case: "common".to_owned(),
            statement: statement.to_owned(),
            ..Finding::new(rule, "books.find", expected, found, "")
        }
    }

    fn unneeded(index: &str) -> Finding {
        Finding::new(Rule::Unneeded, index, "a case", "none", format!("DROP INDEX {index};"))
    }

    /// Returns the rules that remain of an unneeded index on books (shelf) and `other`.
    fn beside(other: Finding) -> Vec<Rule> {
        let indexes = vec![index("books_shelf", "shelf"), index("books_room", "shelf")];
        let catalogue = Catalogue { indexes, ..Catalogue::default() };
        let rules = |finding: Finding| finding.rule;
        resolved(vec![unneeded("books_shelf"), other], &catalogue).into_iter().map(rules).collect()
    }

    #[test]
    fn keeps_indexes_that_a_faulty_statement_may_need() {
        let read =
            |sql| of_statement(Rule::Unserved, sql, "books to be read by an index", "Seq Scan on books");
        assert_eq!(beside(read("SELECT FROM \"books\" WHERE abs(shelf) = $1")), [Rule::Unserved]);
        assert_eq!(beside(read("SELECT FROM books WHERE bookshelf = $1")), [Rule::Unneeded, Rule::Unserved]);
        let other =
            of_statement(Rule::Unserved, "SELECT shelf FROM halls", "halls to be read", "Seq Scan on halls");
        assert_eq!(beside(other), [Rule::Unneeded, Rule::Unserved]);
    }

    #[test]
    fn keeps_indexes_that_an_operation_declares_or_uses() {
        let unclaimed = of_statement(Rule::Unclaimed, "", "books_shelf to be used by some case", "none");
        assert_eq!(beside(unclaimed), [Rule::Unclaimed]);
        let undeclared = of_statement(Rule::Undeclared, "SELECT 1", "no index", "books_shelf on books");
        assert_eq!(beside(undeclared), [Rule::Undeclared]);
        let of_other = of_statement(Rule::Undeclared, "SELECT 1", "no index", "books_room on books");
        assert_eq!(beside(of_other), [Rule::Unneeded, Rule::Undeclared]);
    }

    #[test]
    fn keeps_indexes_that_replace_a_duplicate_or_serve_a_foreign_key() {
        let of_schema = |subject, found, sql| Finding::new(Rule::Catalogue, subject, "", found, sql);
        let duplicate = of_schema("books_room", "it does the same as books_shelf", "DROP INDEX books_room;");
        assert_eq!(beside(duplicate), [Rule::Catalogue]);
        let reference =
            of_schema("books.shelf_fkey", "none begins with (shelf)", "CREATE INDEX ON books (shelf);");
        assert_eq!(beside(reference), [Rule::Catalogue]);
        let other = of_schema("books.room_fkey", "none begins with (room)", "CREATE INDEX ON books (room);");
        assert_eq!(beside(other), [Rule::Unneeded, Rule::Catalogue]);
    }

    #[test]
    fn removes_consequences_of_sequential_scans() {
        let read = of_statement(Rule::Unserved, "SELECT 1", "", "");
        let grown = |sql| of_statement(Rule::Growth, sql, "", "");
        let rules = |findings| -> Vec<Rule> {
            resolved(findings, &Catalogue::default()).iter().map(|finding| finding.rule).collect()
        };
        assert_eq!(rules(vec![grown("SELECT 1"), read.clone()]), [Rule::Unserved]);
        assert_eq!(rules(vec![grown("SELECT 2"), read.clone()]), [Rule::Growth, Rule::Unserved]);
        let unclaimed = of_statement(Rule::Unclaimed, "", "books_shelf to be used by some case", "none");
        assert_eq!(rules(vec![unclaimed, read.clone()]), [Rule::Unserved]);
        let missed = of_statement(Rule::Unserved, "", "books_shelf to be used", "Seq Scan books");
        assert_eq!(rules(vec![missed.clone(), read.clone()]), [Rule::Unserved]);
        let in_other_case = Finding { case: "rare".to_owned(), ..missed };
        assert_eq!(rules(vec![in_other_case, read]), [Rule::Unserved, Rule::Unserved]);
    }

    #[test]
    fn removes_same_fault_of_generic_plan() {
        let undeclared = of_statement(Rule::Undeclared, "SELECT 1", "no index", "books_room on books");
        let generic = |found: &str| of_statement(Rule::GenericPlan, "SELECT 1", "no index", found);
        let rules = |other| -> Vec<Rule> {
            let all = resolved(vec![undeclared.clone(), other], &Catalogue::default());
            all.iter().map(|finding| finding.rule).collect()
        };
        assert_eq!(rules(generic("in the generic plan: books_room on books")), [Rule::Undeclared]);
        let other = generic("in the generic plan: books_shelf on books");
        assert_eq!(rules(other), [Rule::Undeclared, Rule::GenericPlan]);
    }
}
