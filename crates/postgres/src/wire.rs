//! What the guard has seen on the wire of one connection: facts that the libraries above do not pass on.

mod frames;
mod guard;

pub(crate) use guard::Guard;

use crate::SqlState;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Errors that are remembered for pairing a code with the text that the libraries kept.
const ERRORS_KEPT: usize = 8;

/// What went over a connection so far. Counts only grow; compare two of them to know what a piece of work sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WireCounts {
    /// Prepared statements that were run (`Execute`).
    pub executes: u64,
    /// Statements that were prepared (`Parse`).
    pub prepares: u64,
    /// Simple queries: BEGIN, COMMIT, SET, pings (`Query`).
    pub simple: u64,
}

/// Facts of one connection, written by the guard as bytes pass, read without a round trip.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    /// I idle, T in a transaction, E in a failed one, 0 before the first answer.
    status: AtomicU8,
    /// Requests whose ReadyForQuery has not come yet.
    in_flight: AtomicI64,
    /// The first eight bytes of the last command tag: enough to tell COMMIT from ROLLBACK.
    tag: AtomicU64,
    closed: AtomicBool,
    executes: AtomicU64,
    prepares: AtomicU64,
    simple: AtomicU64,
    errors: Mutex<VecDeque<(SqlState, String)>>,
}

impl Wire {
    pub(crate) fn is_idle(&self) -> bool {
        self.status.load(Relaxed) == b'I' && !self.has_requests_in_flight() && !self.is_closed()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Relaxed)
    }

    pub(crate) fn has_requests_in_flight(&self) -> bool {
        self.in_flight.load(Relaxed) != 0
    }

    pub(crate) fn last_command_was(&self, tag: &str) -> bool {
        self.tag.load(Relaxed) == tag_word(tag.as_bytes())
    }

    pub(crate) fn counts(&self) -> WireCounts {
        WireCounts {
            executes: self.executes.load(Relaxed),
            prepares: self.prepares.load(Relaxed),
            simple: self.simple.load(Relaxed),
        }
    }

    /// The code that came with the error text `message`, the latest if it came more than once.
    pub(crate) fn sqlstate_of(&self, message: &str) -> Option<SqlState> {
        self.errors().iter().rev().find(|(_, text)| text == message).map(|(code, _)| *code)
    }

    /// The code of the last error of this connection.
    pub(crate) fn last_sqlstate(&self) -> Option<SqlState> {
        self.last_error().map(|(code, _)| code)
    }

    /// Code and text of the last error of this connection.
    pub(crate) fn last_error(&self) -> Option<(SqlState, String)> {
        self.errors().back().cloned()
    }

    pub(crate) fn forget_errors(&self) {
        self.errors().clear();
    }

    fn errors(&self) -> MutexGuard<'_, VecDeque<(SqlState, String)>> {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.closed.store(true, Relaxed);
    }

    /// A message went out to the server.
    fn sent(&self, tag: u8) {
        match tag {
            b'E' => _ = self.executes.fetch_add(1, Relaxed),
            b'P' => _ = self.prepares.fetch_add(1, Relaxed),
            b'Q' => {
                self.simple.fetch_add(1, Relaxed);
                self.in_flight.fetch_add(1, Relaxed);
            }
            b'S' | frames::STARTUP => _ = self.in_flight.fetch_add(1, Relaxed),
            _ => {}
        }
    }

    /// A message came in from the server. Only those of [`is_read`] have their body.
    fn received(&self, tag: u8, body: &[u8]) {
        match (tag, body) {
            (b'Z', [status, ..]) => {
                self.status.store(*status, Relaxed);
                self.in_flight.fetch_sub(1, Relaxed);
            }
            (b'C', tag) => self.tag.store(tag_word(tag), Relaxed),
            (b'E', fields) => self.remember(fields),
            _ => {}
        }
    }

    fn remember(&self, fields: &[u8]) {
        let field = |name: u8| {
            let found = fields.split(|byte| *byte == 0).find(|field| field.first() == Some(&name))?;
            std::str::from_utf8(&found[1..]).ok()
        };
        let (Some(code), Some(message)) = (field(b'C').and_then(SqlState::parse), field(b'M')) else {
            return;
        };
        let mut errors = self.errors();
        if errors.len() == ERRORS_KEPT {
            errors.pop_front();
        }
        errors.push_back((code, message.to_owned()));
    }
}

/// Whether the body of a message from the server is needed: ReadyForQuery, CommandComplete, ErrorResponse.
fn is_read(tag: u8) -> bool {
    matches!(tag, b'Z' | b'C' | b'E')
}

fn tag_word(tag: &[u8]) -> u64 {
    let text = tag.split(|byte| *byte == 0).next().unwrap_or_default();
    let mut word = [0; 8];
    let length = text.len().min(8);
    word[..length].copy_from_slice(&text[..length]);
    u64::from_be_bytes(word)
}
