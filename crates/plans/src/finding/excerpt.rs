//! Excerpts of long SQL: the clauses that matter to a finding.

use std::collections::BTreeSet;

/// Maximum number of characters of an excerpt.
const LONGEST: usize = 300;

/// Maximum number of characters of a clause.
const LONGEST_CLAUSE: usize = 130;

/// Minimum number of characters of a part of a clause.
const SHORTEST: usize = 30;

/// Additional weight of a clause that names a column of the finding's condition.
const NAMED: u32 = 10;

/// Words that begin a clause, with its weight: its importance for how rows are found.
const CLAUSES: [(&str, u32); 23] = [
    ("WHERE", 6),
    ("ORDER", 6),
    ("LIMIT", 5),
    ("OFFSET", 5),
    ("HAVING", 5),
    ("FROM", 4),
    ("JOIN", 4),
    ("ON", 4),
    ("UPDATE", 4),
    ("INSERT", 4),
    ("DELETE", 4),
    ("MERGE", 4),
    ("USING", 3),
    ("GROUP", 3),
    ("UNION", 2),
    ("WITH", 1),
    ("SELECT", 1),
    ("SET", 1),
    ("VALUES", 1),
    ("WINDOW", 1),
    ("FETCH", 1),
    ("FOR", 1),
    ("RETURNING", 0),
];

struct Clause<'a> {
    text: &'a str,
    weight: u32,
}

/// Shortens `sql` to its beginning and the clauses that say how rows are found; clauses that name a column of a
/// condition in `said` come first. An ellipsis replaces what is omitted.
pub(super) fn excerpt(sql: &str, said: &[&str]) -> String {
    if sql.chars().count() <= LONGEST {
        return sql.to_owned();
    }
    let names: BTreeSet<String> = said.iter().flat_map(|text| named(text)).collect();
    let clauses: Vec<Clause<'_>> = clauses(sql).into_iter().map(|text| Clause::of(text, &names)).collect();
    let mut order: Vec<usize> = (0..clauses.len()).collect();
    order.sort_by_key(|&n| (n != 0, std::cmp::Reverse(clauses[n].weight), n));
    let mut shown = vec![String::new(); clauses.len()];
    let mut left = LONGEST;
    for n in order {
        let limit = if n == 0 { LONGEST_CLAUSE / 2 } else { LONGEST_CLAUSE };
        // An ellipsis and two spaces may be added to each part.
        let part = shortened(clauses[n].text, limit.min(left.saturating_sub(3)), &names);
        left = left.saturating_sub(part.chars().count() + 3);
        shown[n] = part;
    }
    joined(&shown)
}

/// Joins the parts, with an ellipsis for those that are omitted.
fn joined(parts: &[String]) -> String {
    let mut text = String::new();
    for part in parts {
        let part = if part.is_empty() { "…" } else { part };
        if text.ends_with('…') && part.starts_with('…') {
            text.push_str(part.trim_start_matches('…'));
        } else {
            text.push_str(if text.is_empty() { "" } else { " " });
            text.push_str(part);
        }
    }
    text
}

impl<'a> Clause<'a> {
    fn of(text: &'a str, names: &BTreeSet<String>) -> Self {
        let first = words(text).next().map(|(_, word)| word.to_ascii_uppercase()).unwrap_or_default();
        let weight = CLAUSES.iter().find(|(word, _)| *word == first).map_or(0, |(_, weight)| *weight);
        let names_one = weight > 2 && words(text).any(|(_, word)| names.contains(&word.to_ascii_lowercase()));
        Self { text, weight: weight + if names_one { NAMED } else { 0 } }
    }
}

/// Splits `sql` at the words of [`CLAUSES`], at any depth.
fn clauses(sql: &str) -> Vec<&str> {
    let is_clause = |word: &str| CLAUSES.iter().any(|(clause, _)| clause.eq_ignore_ascii_case(word));
    let begins = |(at, word): &(usize, &str)| is_clause(word) && !sql[..*at].ends_with('"');
    let mut starts: Vec<usize> = words(sql).filter(begins).map(|(at, _)| at).collect();
    if starts.first() != Some(&0) {
        starts.insert(0, 0);
    }
    let ends = starts.iter().skip(1).copied().chain([sql.len()]);
    starts.iter().zip(ends).map(|(&start, end)| sql[start..end].trim()).collect()
}

/// Returns the words of `sql` outside of string constants, with their offsets. Quoted names are without quotes.
fn words(sql: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_string = false;
    let parts = sql.split_inclusive('\'').flat_map(move |part| {
        let is_code = !in_string;
        in_string ^= part.ends_with('\'');
        is_code.then_some(part)
    });
    let start = sql.as_ptr() as usize;
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    parts
        .flat_map(move |part| part.split(move |c| !is_word(c)))
        .filter(|word| !word.is_empty())
        .map(move |word| (word.as_ptr() as usize - start, word))
}

/// Returns the names in parentheses: the server prints each condition of a plan in parentheses.
fn named(said: &str) -> Vec<String> {
    let conditions = said.find('(').map_or("", |at| &said[at..]);
    words(conditions).map(|(_, word)| word.to_ascii_lowercase()).collect()
}

/// Returns the beginning of `clause`, or its first word and the text around the first of `names`; empty if `limit` is
/// too small.
fn shortened(clause: &str, limit: usize, names: &BTreeSet<String>) -> String {
    let length = clause.chars().count();
    if length <= limit {
        return clause.to_owned();
    }
    if limit < SHORTEST {
        return String::new();
    }
    let at =
        words(clause).find(|(_, word)| names.contains(&word.to_ascii_lowercase())).map_or(0, |(at, _)| at);
    let before = clause[..at].chars().count();
    if before + SHORTEST <= limit {
        return cut(clause, limit);
    }
    let first = clause.split(' ').next().unwrap_or_default();
    let from = clause[..at].rfind(' ').map_or(at, |space| space + 1);
    let rest = cut(&clause[from..], limit.saturating_sub(first.chars().count() + 3));
    format!("{first} … {rest}")
}

/// Returns the words of `text` that fit into `limit` characters, followed by an ellipsis.
fn cut(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let fitting: String = text.chars().take(limit.saturating_sub(2)).collect();
    let whole = fitting.rfind(' ').map_or(&*fitting, |space| &fitting[..space]);
    format!("{whole} …")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(middle: &str) -> String {
        let columns: Vec<_> = (0..40).map(|n| format!("\"books\".\"column_{n}\"")).collect();
        format!("SELECT {} FROM \"books\" {middle}", columns.join(", "))
    }

    #[test]
    fn short_statements_are_not_shortened() {
        let sql = "SELECT id FROM books WHERE shelf = $1";
        assert_eq!(excerpt(sql, &[]), sql);
    }

    #[test]
    fn conditions_are_preferred_to_select_lists() {
        let tail = "WHERE \"books\".\"state\" = $1 ORDER BY \"books\".\"price\" LIMIT $2";
        let text = excerpt(&long(tail), &[]);
        assert!(
            text.starts_with("SELECT \"books\".\"column_0\"") && text.chars().count() <= LONGEST,
            "{text}"
        );
        assert!(text.contains('…') && text.ends_with(tail), "{text}");
    }

    #[test]
    fn conditions_on_the_named_column_are_preferred() {
        let other = (0..30).map(|n| format!("(kind = ${n})")).collect::<Vec<_>>().join(" OR ");
        let tail = format!(
            "WHERE {other} UNION SELECT 1 FROM a WHERE {other} UNION SELECT 2 FROM b WHERE state = $9"
        );
        let text = excerpt(&long(&tail), &["401 thrown away by (b.state = 'new'::text) for 0 that stay"]);
        assert!(text.contains("WHERE state = $9") && text.chars().count() <= LONGEST, "{text}");
    }

    #[test]
    fn long_conditions_are_cut_around_the_named_column() {
        let other = (0..30).map(|n| format!("kind <> ${n}")).collect::<Vec<_>>().join(" AND ");
        let tail = format!("WHERE {other} AND state = $99 AND {other}");
        let text = excerpt(&long(&tail), &["Seq Scan on books, (state = 'new'::text)"]);
        assert!(text.contains("WHERE … state = $99 AND kind") && text.ends_with('…'), "{text}");
    }

    #[test]
    fn string_constants_begin_no_clause() {
        assert_eq!(clauses("SELECT 'it''s FROM here' FROM b"), ["SELECT 'it''s FROM here'", "FROM b"]);
        assert_eq!(clauses("(SELECT 1)"), ["(", "SELECT 1)"]);
    }
}
