//! Prepared and outstanding statements of a connection. Answers arrive in the order of the requests.

use super::effects::{alters_session, may_commit};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Number of characters of a statement stored for logs and errors.
const SHOWN: usize = 2_000;

/// Prepared and outstanding statements of one connection.
#[derive(Debug, Default)]
pub(super) struct Statements {
    /// Prepared statements by name. Names are few and short, so comparing is faster than hashing.
    prepared: BTreeMap<Vec<u8>, Statement>,
    outstanding: VecDeque<Outstanding>,
    /// For each unanswered request, true if it makes the server work.
    requests: VecDeque<bool>,
    /// Number of the request that is being sent.
    sending: u64,
}

/// Text and effects of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    /// Beginning of the text, on one line.
    pub(super) text: Arc<str>,
    /// True if the statement may change the session beyond its transaction.
    pub(super) alters_session: bool,
    /// True if the statement may commit its transaction.
    may_commit: bool,
}

#[derive(Debug)]
struct Outstanding {
    text: Option<Arc<str>>,
    sent: Instant,
    request: u64,
    may_commit: bool,
    /// True for simple queries, which may contain several statements with separate answers.
    is_simple: bool,
}

/// A statement that was answered.
#[derive(Debug)]
pub(super) struct Answered {
    /// Beginning of the text, if known.
    pub(super) text: Option<Arc<str>>,
    /// Time from sending the statement to the end of its answer.
    pub(super) took: Duration,
}

impl Statements {
    /// Records a Parse message: name, then text. It has a separate answer.
    pub(super) fn parsed(&mut self, body: &[u8], now: Instant) {
        let Some((name, rest)) = split_name(body) else { return };
        let statement = Statement::new(rest);
        // Preparing a statement does not execute it.
        let prepared = Statement { may_commit: false, ..statement.clone() };
        self.prepared.insert(name.to_vec(), statement);
        self.outstanding.push_back(Outstanding::new(Some(&prepared), now, self.sending, false));
    }

    /// Records a Bind message: portal, then name. The statement is executed next.
    pub(super) fn bound(&mut self, body: &[u8], now: Instant) -> Option<&Statement> {
        let name = split_name(body).and_then(|(_portal, rest)| split_name(rest)).map(|(name, _)| name)?;
        let statement = self.prepared.get(name);
        self.outstanding.push_back(Outstanding::new(statement, now, self.sending, false));
        statement
    }

    /// Records a simple query.
    pub(super) fn queried(&mut self, body: &[u8], now: Instant) -> Statement {
        let statement = Statement::new(body);
        self.outstanding.push_back(Outstanding::new(Some(&statement), now, self.sending, true));
        statement
    }

    /// Records a Close message of a prepared statement.
    pub(super) fn closed(&mut self, body: &[u8]) {
        if let Some((b'S', name)) = body.split_first() {
            self.prepared.remove(split_name(name).map_or(name, |(name, _)| name));
        }
    }

    /// Returns the number of prepared statements.
    pub(super) fn prepared(&self) -> usize {
        self.prepared.len()
    }

    /// Returns the statement that the next answer belongs to.
    pub(super) fn answered(&mut self, now: Instant) -> Option<Answered> {
        let front = self.outstanding.front()?;
        let took = now.saturating_duration_since(front.sent);
        let text = match front.is_simple {
            true => front.text.clone(),
            false => self.outstanding.pop_front()?.text,
        };
        Some(Answered { text, took })
    }

    /// Records that a request was sent completely.
    pub(super) fn request_sent(&mut self, works: bool) {
        self.requests.push_back(works);
        self.sending += 1;
    }

    /// Records the end of the answer to the oldest request, and returns true if that request made the server work.
    /// Removes statements that did not run because of an error.
    pub(super) fn ready(&mut self) -> bool {
        let Some(works) = self.requests.pop_front() else { return false };
        let unanswered = self.sending - self.requests.len() as u64;
        while self.outstanding.front().is_some_and(|outstanding| outstanding.request < unanswered) {
            self.outstanding.pop_front();
        }
        works
    }

    /// Records that the oldest request has failed. The rest of it does not run.
    pub(super) fn failed(&mut self) {
        if let Some(front) = self.outstanding.front_mut() {
            front.may_commit = false;
        }
    }

    /// Returns true if a statement without an answer may commit its transaction.
    pub(super) fn may_be_committing(&self) -> bool {
        self.outstanding.iter().any(|outstanding| outstanding.may_commit)
    }
}

impl Outstanding {
    fn new(statement: Option<&Statement>, sent: Instant, request: u64, is_simple: bool) -> Self {
        let text = statement.map(|statement| statement.text.clone());
        let may_commit = statement.is_some_and(|statement| statement.may_commit);
        Self { text, sent, request, may_commit, is_simple }
    }
}

impl Statement {
    fn new(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text.split(|byte| *byte == 0).next().unwrap_or_default());
        Self {
            alters_session: alters_session(&text),
            may_commit: may_commit(&text),
            text: on_one_line(&text),
        }
    }
}

fn split_name(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = body.iter().position(|byte| *byte == 0)?;
    Some((&body[..end], &body[end + 1..]))
}

/// Returns the beginning of `text` on one line.
fn on_one_line(text: &str) -> Arc<str> {
    let shown = text.char_indices().nth(SHOWN).map_or(text, |(end, _)| &text[..end]);
    shown.split_whitespace().collect::<Vec<_>>().join(" ").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assigns_answers_in_order() {
        let mut statements = Statements::default();
        let now = Instant::now();
        statements.parsed(b"s0\0SELECT  1\n FROM a\0\0\0", now);
        statements.parsed(b"s1\0SELECT 2\0\0\0", now);
        for body in [&b"\0s1\0rest"[..], b"\0s0\0", b"\0unknown\0"] {
            statements.bound(body, now);
        }
        let mut answer = || statements.answered(now).and_then(|answer| answer.text);
        let answers: Vec<_> = std::iter::repeat_with(&mut answer).take(6).collect();
        let (one, two) = (Some("SELECT 1 FROM a"), Some("SELECT 2"));
        let answers: Vec<_> = answers.iter().map(Option::as_deref).collect();
        assert_eq!(answers, [one, two, two, one, None, None]);
    }

    #[test]
    fn skips_statements_after_error() {
        let mut statements = Statements::default();
        let now = Instant::now();
        for name in ["s0", "s1", "s2"] {
            statements.parsed(format!("{name}\0SELECT {name}\0").as_bytes(), now);
        }
        statements.request_sent(true);
        statements.queried(b"COMMIT; BEGIN\0", now);
        statements.request_sent(true);
        let text = |statements: &mut Statements| statements.answered(now).and_then(|answer| answer.text);
        assert_eq!(text(&mut statements).as_deref(), Some("SELECT s0"), "refused: the others do not run");
        assert!(statements.ready());
        for _ in 0..2 {
            assert_eq!(text(&mut statements).as_deref(), Some("COMMIT; BEGIN"), "each has an answer");
        }
        assert!(statements.ready());
        assert_eq!(text(&mut statements), None);
    }

    #[test]
    fn forgets_closed_statements() {
        let mut statements = Statements::default();
        let now = Instant::now();
        for number in 0..5_000 {
            let name = format!("s{number}");
            statements.parsed(format!("{name}\0SELECT {number}\0").as_bytes(), now);
            let bound =
                statements.bound(format!("\0{name}\0").as_bytes(), now).map(|known| known.text.clone());
            assert_eq!(bound.as_deref(), Some(format!("SELECT {number}").as_str()));
            statements.closed(format!("S{name}\0").as_bytes());
        }
        assert_eq!(statements.prepared(), 0);
    }
}
