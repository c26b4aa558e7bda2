//! Detects statements that change the state of a session beyond their transaction.

/// Functions that acquire a session-level lock.
const SESSION_LOCKS: [&str; 4] =
    ["pg_advisory_lock", "pg_advisory_lock_shared", "pg_try_advisory_lock", "pg_try_advisory_lock_shared"];

/// Returns true if `sql` may leave a setting, role, lock, temporary object, cursor or prepared statement in its
/// session. Effects hidden in functions are not detected.
///
/// False positives only cause a session to be closed that could have been reused.
pub(super) fn alters_session(sql: &str) -> bool {
    statements(sql).any(|statement| starts_altering(statement) || calls_altering(statement))
}

/// Returns true if `sql` may commit the transaction that it runs in.
pub(super) fn may_commit(sql: &str) -> bool {
    statements(sql).any(|statement| {
        let mut words = words(without_leading_comments(statement));
        let first = words.next().unwrap_or_default().to_ascii_uppercase();
        match first.as_str() {
            "COMMIT" | "END" => true,
            "PREPARE" => words.next().is_some_and(|word| word.eq_ignore_ascii_case("TRANSACTION")),
            _ => false,
        }
    })
}

/// Splits `sql` at semicolons outside of dollar-quoted strings. A semicolon in other strings splits as well.
fn statements(sql: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(sql);
    std::iter::from_fn(move || {
        let text = rest?;
        let mut at = 0;
        while let Some(found) = text[at..].find([';', '$']) {
            at += found;
            if text.as_bytes()[at] == b';' {
                rest = Some(&text[at + 1..]);
                return Some(&text[..at]);
            }
            at += dollar_quoted(&text[at..]).unwrap_or(1);
        }
        rest = None;
        Some(text)
    })
}

/// Returns the length of the dollar-quoted string at the beginning of `text`, if there is one.
fn dollar_quoted(text: &str) -> Option<usize> {
    let name = text[1..].split_once('$')?.0;
    // `$1` is a parameter.
    if name.starts_with(|first: char| first.is_ascii_digit()) || !name.chars().all(is_word) {
        return None;
    }
    let quote = &text[..name.len() + 2];
    Some(text[quote.len()..].find(quote)? + 2 * quote.len())
}

fn starts_altering(statement: &str) -> bool {
    let statement = without_leading_comments(statement);
    let mut words = words(statement);
    let first = words.next().unwrap_or_default();
    let is = |word: &str, expected: &[&str]| expected.iter().any(|one| word.eq_ignore_ascii_case(one));
    if is(first, &["SET"]) {
        return !words.next().is_some_and(|word| is(word, &["LOCAL", "TRANSACTION", "CONSTRAINTS"]));
    }
    if is(first, &["PREPARE"]) {
        return !words.next().is_some_and(|word| is(word, &["TRANSACTION"]));
    }
    if is(first, &["CREATE"]) {
        let is_temporary = words.any(|word| is(word, &["TEMP", "TEMPORARY", "pg_temp"]));
        return is_temporary && !ends_with_commit(statement);
    }
    if is(first, &["SELECT", "WITH"]) {
        return selects_into_temporary(statement);
    }
    if is(first, &["DECLARE"]) {
        return words.any(|word| is(word, &["HOLD"]));
    }
    is(first, &["RESET", "LOAD", "DO", "CALL", "DISCARD", "DEALLOCATE"])
}

/// Returns true for `ON COMMIT DROP`, which drops a temporary table at the end of its transaction.
fn ends_with_commit(statement: &str) -> bool {
    let words: Vec<&str> = words(statement).collect();
    words
        .windows(2)
        .any(|pair| pair[0].eq_ignore_ascii_case("COMMIT") && pair[1].eq_ignore_ascii_case("DROP"))
}

fn selects_into_temporary(statement: &str) -> bool {
    let mut words = words(statement).skip_while(|word| !word.eq_ignore_ascii_case("INTO")).skip(1);
    words.next().is_some_and(|word| {
        word.eq_ignore_ascii_case("TEMP")
            || word.eq_ignore_ascii_case("TEMPORARY")
            || word.eq_ignore_ascii_case("LOCAL")
    })
}

/// Returns true if `statement` calls a function that leaves a lock or a setting in the session.
fn calls_altering(statement: &str) -> bool {
    statement.match_indices('(').any(|(at, _)| {
        let before = statement[..at].trim_end();
        let start = before.rfind(|letter: char| !is_word(letter)).map_or(0, |end| end + 1);
        let name = before.get(start..).unwrap_or_default();
        if name.eq_ignore_ascii_case("set_config") {
            return !is_local(&statement[at + 1..]);
        }
        SESSION_LOCKS.iter().any(|lock| name.eq_ignore_ascii_case(lock))
    })
}

/// Returns true if the arguments of `set_config` end with a literal `true`, which limits the setting to the
/// transaction.
fn is_local(arguments: &str) -> bool {
    let end = arguments.find(')').unwrap_or(arguments.len());
    words(&arguments[..end]).last().is_some_and(|word| word.eq_ignore_ascii_case("true"))
}

fn without_leading_comments(statement: &str) -> &str {
    let mut rest = statement.trim_start();
    loop {
        let after = match rest.get(..2) {
            Some("--") => rest.split_once('\n'),
            Some("/*") => rest.split_once("*/"),
            _ => return rest,
        };
        rest = after.map_or("", |(_, after)| after.trim_start());
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !is_word(letter)).filter(|word| !word.is_empty())
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detects_statements_that_alter_session() {
        for sql in [
            "SET search_path TO other",
            "set session characteristics as transaction read only",
            "/* why */ SET ROLE reader",
            "-- why\n RESET ALL",
            "BEGIN; SET statement_timeout = 5",
            "SELECT pg_advisory_lock(1)",
            "SELECT PG_TRY_ADVISORY_LOCK (1, 2)",
            "SELECT set_config('search_path', 'other', false)",
            "SELECT set_config('search_path', $1, $2)",
            "CREATE TEMP TABLE scratch (id int)",
            "CREATE OR REPLACE TEMPORARY VIEW scratch AS SELECT 1",
            "CREATE TABLE pg_temp.scratch (id int)",
            "SELECT 1 AS id INTO TEMP scratch",
            "WITH one AS (SELECT 1) SELECT * INTO TEMPORARY scratch FROM one",
            "DECLARE all_trees CURSOR WITH HOLD FOR SELECT 1",
            "PREPARE look AS SELECT 1",
            "DEALLOCATE ALL",
            "DISCARD PLANS",
            "DO $$ BEGIN PERFORM 1; END $$",
        ] {
            assert!(alters_session(sql), "{sql}");
        }
    }

    #[test]
    fn detects_commits() {
        for sql in [
            "COMMIT",
            "SELECT 1; commit and chain",
            "DO $$ ; $$; COMMIT",
            "SELECT $1, $2; END",
            "/* now */ END",
            "PREPARE TRANSACTION 'x'",
        ] {
            assert!(may_commit(sql), "{sql}");
        }
        for sql in [
            "SELECT CASE WHEN true THEN 1 END",
            "ROLLBACK",
            "DO $$ BEGIN NULL; END $$",
            "DO $a$ ; COMMIT $a$",
            "PREPARE look AS SELECT 1",
            "SELECT 'END'",
        ] {
            assert!(!may_commit(sql), "{sql}");
        }
    }

    #[test]
    fn ignores_effects_limited_to_transaction() {
        for sql in [
            "",
            "BEGIN; SET LOCAL statement_timeout = 30000",
            "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
            "SET CONSTRAINTS ALL DEFERRED",
            "UPDATE trees SET height_cm = height_cm + 1 WHERE id = $1",
            "INSERT INTO trees (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET height_cm = 1",
            "SELECT pg_advisory_xact_lock(1)",
            "SELECT set_config('app.caller', $1, true)",
            "SELECT temp FROM weather",
            "CREATE TABLE trees (id int)",
            "CREATE TEMP TABLE scratch (id int) ON COMMIT DROP",
            "DECLARE some CURSOR FOR SELECT 1",
            "PREPARE TRANSACTION 'x'",
            "SELECT offset, \"set\" FROM settings",
        ] {
            assert!(!alters_session(sql), "{sql}");
        }
    }
}
