//! What of a Rust file is code, what a comment, what a literal; a scan of tokens, no parser.

use std::ops::Range;

/// What a stretch of a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// What the compiler reads, without literals.
    Code,
    /// A comment or documentation.
    Comment,
    /// A string or a character.
    Literal,
}

/// `text` with everything that is of none of `kinds` replaced by blanks. Line ends stay, so lines keep their numbers.
pub(super) fn only(text: &str, kinds: &[Kind]) -> String {
    let mut kept = String::with_capacity(text.len());
    for (kind, range) in stretches(text) {
        if kinds.contains(&kind) {
            kept.push_str(&text[range]);
        } else {
            kept.extend(text[range].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        }
    }
    kept
}

/// `code` with the items under `#[cfg(test)]` blanked. Line ends stay, so lines keep their numbers.
pub(super) fn without_tests(code: &str) -> String {
    const TEST: &str = "#[cfg(test)]";
    let mut kept = String::with_capacity(code.len());
    let mut at = 0;
    while let Some(start) = code[at..].find(TEST).map(|offset| at + offset) {
        let body = code[start + TEST.len()..].find(['{', ';']).map(|offset| start + TEST.len() + offset);
        let end = match body {
            Some(open) if code[open..].starts_with('{') => closing(code, open),
            Some(semicolon) => semicolon,
            None => code.len(),
        };
        kept.push_str(&code[at..start]);
        kept.extend(code[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        at = end;
    }
    kept.push_str(&code[at..]);
    kept
}

/// Where `needle` stands in `text` as whole words: its ends do not touch letters, digits or underscores.
pub(super) fn occurrences(text: &str, needle: &str) -> impl Iterator<Item = usize> {
    text.match_indices(needle).map(|(at, _)| at).filter(move |at| {
        let joined =
            |outer: Option<char>, inner: Option<char>| outer.is_some_and(word) && inner.is_some_and(word);
        let end = at + needle.len();
        !joined(text[..*at].chars().next_back(), needle.chars().next())
            && !joined(text[end..].chars().next(), needle.chars().next_back())
    })
}

/// The number of the line, from 1, in which the byte at `at` stands.
pub(super) fn line_at(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// Whether `character` can stand in an identifier.
pub(super) fn word(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

/// Where the bracket that opens at `open` closes; the end of `code` when it does not.
pub(super) fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, character) in code[open..].char_indices() {
        match character {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' if depth == 1 => return open + at,
            '}' | ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    code.len()
}

fn stretches(text: &str) -> Vec<(Kind, Range<usize>)> {
    let mut found = Vec::new();
    let (mut at, mut code_from) = (0, 0);
    while at < text.len() {
        match token(text, at) {
            Some((kind, end)) => {
                found.push((Kind::Code, code_from..at));
                found.push((kind, at..end));
                (at, code_from) = (end, end);
            }
            None => at += text[at..].chars().next().map_or(1, char::len_utf8),
        }
    }
    found.push((Kind::Code, code_from..text.len()));
    found
}

/// The comment or literal that begins at `at`, and its end.
fn token(text: &str, at: usize) -> Option<(Kind, usize)> {
    let rest = &text[at..];
    if rest.starts_with("//") {
        return Some((Kind::Comment, at + rest.find('\n').unwrap_or(rest.len())));
    }
    if rest.starts_with("/*") {
        return Some((Kind::Comment, at + block_comment(rest)));
    }
    let length = match rest.as_bytes()[0] {
        b'"' => quoted(rest),
        b'\'' => character(rest)?,
        b'r' if !text[..at].chars().next_back().is_some_and(|c| word(c) && c != 'b' && c != 'c') => {
            raw(rest)?
        }
        _ => return None,
    };
    Some((Kind::Literal, at + length))
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        match &rest.as_bytes()[at..rest.len().min(at + 2)] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" if depth == 1 => return at + 2,
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    rest.len()
}

fn quoted(rest: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(1) {
        match byte {
            b'"' if !escaped => return at + 1,
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    rest.len()
}

/// A character literal; nothing for a lifetime.
fn character(rest: &str) -> Option<usize> {
    let mut inner = rest[1..].chars();
    let first = inner.next()?;
    if first == '\\' {
        return rest.get(3..)?.find('\'').map(|end| 3 + end + 1);
    }
    (inner.next() == Some('\'')).then(|| 2 + first.len_utf8())
}

fn raw(rest: &str) -> Option<usize> {
    let hashes = rest[1..].bytes().take_while(|byte| *byte == b'#').count();
    let body = rest.get(1 + hashes..)?.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let start = 1 + hashes + 1;
    Some(body.find(&end).map_or(rest.len(), |at| start + at + end.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_comments_are_told_from_code() {
        let text = r###"let a = "x // \" y"; // say "hi"
/* out /* in */ 'q' */ let c = '"'; let d = '\''; fn f<'a>(b: &'a str) { r#"raw " } "#; br"x"; r#type }"###;
        let code = only(text, &[Kind::Code]);
        assert_eq!(code.lines().count(), 2);
        for gone in ["//", "say", "out", "raw", "\"", "x"] {
            assert!(!code.contains(gone), "{gone:?} in {code}");
        }
        for stays in ["let a =", "let c =", "fn f<'a>(b: &'a str) {", "r#type }"] {
            assert!(code.contains(stays), "{stays:?} not in {code}");
        }
        assert!(only(text, &[Kind::Literal]).contains("raw"));
        assert!(only(text, &[Kind::Comment]).contains("say \"hi\""));
    }

    #[test]
    fn a_character_does_not_open_a_string() {
        assert!(
            only("match c { '\"' => 1, '\\\\' => 2, '\\u{e9}' => 3, 'é' => 4 }", &[Kind::Code])
                .ends_with("=> 4 }")
        );
    }

    #[test]
    fn unfinished_tokens_reach_to_the_end() {
        for text in ["/* a", "\"a", "r#\"a", "'\\", "'", "// a"] {
            assert_eq!(only(text, &[Kind::Code, Kind::Comment, Kind::Literal]), text);
        }
    }

    #[test]
    fn test_items_are_blanked() {
        let code = "fn a() {}\n#[cfg(test)]\nmod tests { fn b() {} }\n#[cfg(test)]\nmod c;\nfn d() {}";
        let kept = without_tests(code);
        assert_eq!(kept.lines().count(), 6);
        assert!(kept.contains("fn a()") && kept.contains("fn d()"), "{kept}");
        assert!(!kept.contains("fn b()") && !kept.contains("mod"), "{kept}");
    }

    #[test]
    fn a_word_is_found_whole() {
        let found: Vec<usize> = occurrences("job jobs a_job job", "job").collect();
        assert_eq!(found, [0, 15]);
        assert_eq!(occurrences("x.transaction(a)", "transaction(").count(), 1);
    }
}
