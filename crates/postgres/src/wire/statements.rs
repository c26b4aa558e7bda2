//! Which statement an answer belongs to, and how long it took: answers come in the order of the requests.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Prepared statements whose text is remembered: more than any program keeps per connection.
const PREPARED_KEPT: usize = 1_000;

/// The statements of one connection: those that it knows by name, and those whose answer is outstanding.
#[derive(Debug, Default)]
pub(super) struct Statements {
    /// Few and short names: comparing them is faster than hashing.
    prepared: BTreeMap<Vec<u8>, Arc<str>>,
    outstanding: VecDeque<Outstanding>,
    /// For each request that is not answered to its end: whether it makes the server work.
    requests: VecDeque<bool>,
}

#[derive(Debug)]
struct Outstanding {
    text: Option<Arc<str>>,
    sent: Instant,
}

/// A statement whose answer has come.
#[derive(Debug)]
pub(super) struct Answered {
    /// The beginning of its text, where it is known.
    pub(super) text: Option<Arc<str>>,
    /// From sending it to the end of its answer.
    pub(super) took: Duration,
}

impl Statements {
    /// A Parse went out: name, then text. It has an answer of its own.
    pub(super) fn parsed(&mut self, body: &[u8], now: Instant) {
        let Some((name, rest)) = split_name(body) else { return };
        let text = beginning(rest);
        if self.prepared.len() < PREPARED_KEPT {
            self.prepared.insert(name.to_vec(), text.clone());
        }
        self.expect(Some(text), now);
    }

    /// A Bind went out: portal, then name. Its statement is run next; its text, where it is known.
    pub(super) fn bound(&mut self, body: &[u8], now: Instant) -> Option<&str> {
        let name = split_name(body).and_then(|(_portal, rest)| split_name(rest)).map(|(name, _)| name);
        let text = name.and_then(|name| self.prepared.get(name).cloned());
        self.expect(text, now);
        self.outstanding.back().and_then(|outstanding| outstanding.text.as_deref())
    }

    /// A simple query went out; the beginning of its text.
    pub(super) fn queried(&mut self, body: &[u8], now: Instant) -> Arc<str> {
        let text = beginning(body);
        self.expect(Some(text.clone()), now);
        text
    }

    /// An answer came: the statement that it belongs to. A simple query of several statements is answered once for each;
    /// then the first answer takes it.
    pub(super) fn answered(&mut self, now: Instant) -> Option<Answered> {
        let Outstanding { text, sent } = self.outstanding.pop_front()?;
        Some(Answered { text, took: now.saturating_duration_since(sent) })
    }

    /// A request was sent to its end.
    pub(super) fn asked(&mut self, works: bool) {
        self.requests.push_back(works);
    }

    /// The oldest request was answered to its end: whether it made the server work.
    pub(super) fn ready(&mut self) -> bool {
        self.requests.pop_front().unwrap_or(false)
    }

    /// Every request was answered.
    pub(super) fn all_answered(&mut self) {
        self.outstanding.clear();
    }

    fn expect(&mut self, text: Option<Arc<str>>, sent: Instant) {
        self.outstanding.push_back(Outstanding { text, sent });
    }
}

fn split_name(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = body.iter().position(|byte| *byte == 0)?;
    Some((&body[..end], &body[end + 1..]))
}

/// The text up to its end or to where it was cut, on one line.
fn beginning(text: &[u8]) -> Arc<str> {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    let text = String::from_utf8_lossy(text);
    text.split_whitespace().collect::<Vec<_>>().join(" ").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_belong_to_requests_in_their_order() {
        let mut statements = Statements::default();
        let now = Instant::now();
        statements.parsed(b"s0\0SELECT  1\n FROM a\0\0\0", now);
        statements.parsed(b"s1\0SELECT 2\0\0\0", now);
        for body in [&b"\0s1\0rest"[..], b"\0s0\0", b"\0unknown\0", b"\0"] {
            statements.bound(body, now);
        }
        statements.queried(b"COMMIT\0", now);
        let answers: Vec<_> = std::iter::from_fn(|| statements.answered(now)).collect();
        let texts: Vec<_> = answers.iter().map(|answer| answer.text.as_deref()).collect();
        let parsed = [Some("SELECT 1 FROM a"), Some("SELECT 2")];
        assert_eq!(
            texts,
            [&parsed[..], &[Some("SELECT 2"), Some("SELECT 1 FROM a"), None, None, Some("COMMIT")]].concat()
        );
    }
}
