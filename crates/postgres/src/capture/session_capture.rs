//! Capture of one session: follows its messages and assigns answers to statements in the order of the requests.

use super::message::{Bind, Body, Parse};
use super::{CapturedStatement, Parameter, Recorder, Refusal, TransactionStatus};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Maximum number of bytes read of a message of a recorded session; more than practical statements need.
pub(crate) const MESSAGE_MAX: usize = 64 << 20;

/// Prepared statements and unanswered requests of a session.
#[derive(Debug)]
pub(crate) struct SessionCapture {
    recorder: Recorder,
    session: u64,
    prepared: HashMap<Vec<u8>, Prepared>,
    portals: HashMap<Vec<u8>, Bound>,
    awaited: VecDeque<Awaited>,
    /// Text of the last prepared statement.
    parsed: Arc<str>,
}

#[derive(Clone, Debug)]
struct Prepared {
    sql: Arc<str>,
    types: Vec<u32>,
}

#[derive(Debug)]
struct Bound {
    prepared: Prepared,
    parameters: Vec<Parameter>,
    result_formats: Vec<i16>,
}

/// A request without an answer. `None` if no capture was running when it was sent.
#[derive(Debug)]
enum Awaited {
    Execute(Option<Execution>),
    Query(Option<Execution>),
    Sync,
}

#[derive(Debug)]
struct Execution {
    epoch: u64,
    statement: CapturedStatement,
}

impl SessionCapture {
    pub(crate) fn new(recorder: Recorder) -> Self {
        let session = recorder.next_session();
        let (prepared, portals, awaited) = (HashMap::new(), HashMap::new(), VecDeque::new());
        Self { recorder, session, prepared, portals, awaited, parsed: "".into() }
    }

    /// Processes a message to the server, sent for `operation`.
    pub(crate) fn sent(&mut self, tag: u8, body: &[u8], operation: &'static str) {
        match tag {
            b'P' => self.parsed(body),
            b'B' => self.bound(body),
            b'C' => self.closed(body),
            b'E' => {
                let execution = self.executed(body, operation);
                self.awaited.push_back(Awaited::Execute(execution));
            }
            b'Q' => {
                let execution = self.queried(body, operation);
                self.awaited.push_back(Awaited::Query(execution));
            }
            b'S' => self.awaited.push_back(Awaited::Sync),
            _ => {}
        }
    }

    /// Processes a message from the server.
    pub(crate) fn received(&mut self, tag: u8, body: &[u8]) {
        match tag {
            b'C' => self.completed(Body::new(body).text().unwrap_or_default()),
            b'I' | b's' => self.completed(b""),
            b'E' => self.failed(body),
            b'Z' => self.ready(body),
            _ => {}
        }
    }

    fn parsed(&mut self, body: &[u8]) {
        if let Some(Parse { name, sql, types }) = Body::new(body).parse() {
            let sql: Arc<str> = String::from_utf8_lossy(sql).into();
            self.parsed = sql.clone();
            self.prepared.insert(name.to_vec(), Prepared { sql, types });
        }
    }

    fn bound(&mut self, body: &[u8]) {
        if self.recorder.epoch().is_none() {
            return;
        }
        let Some(Bind { portal, statement, parameters, result_formats }) = Body::new(body).bind() else {
            return;
        };
        if let Some(prepared) = self.prepared.get(statement).cloned() {
            self.portals.insert(portal.to_vec(), Bound { prepared, parameters, result_formats });
        }
    }

    fn closed(&mut self, body: &[u8]) {
        match body.split_first() {
            Some((b'S', name)) => _ = self.prepared.remove(Body::new(name).text().unwrap_or_default()),
            Some((b'P', name)) => _ = self.portals.remove(Body::new(name).text().unwrap_or_default()),
            _ => {}
        }
    }

    /// Returns the execution that begins. Returns `None` if a portal is executed again: that fetches more rows of the
    /// same statement.
    fn executed(&mut self, body: &[u8], operation: &'static str) -> Option<Execution> {
        let epoch = self.recorder.epoch()?;
        let bound = Body::new(body).text().and_then(|portal| self.portals.remove(portal));
        let Some(Bound { prepared, parameters, result_formats }) = bound else {
            self.recorder.expect_unknown();
            return None;
        };
        let Prepared { sql, types } = prepared;
        let statement =
            CapturedStatement { types, parameters, result_formats, ..self.statement(sql, operation) };
        Some(Execution { epoch, statement })
    }

    fn queried(&mut self, body: &[u8], operation: &'static str) -> Option<Execution> {
        let epoch = self.recorder.epoch()?;
        let sql = String::from_utf8_lossy(Body::new(body).text()?).into();
        Some(Execution {
            epoch,
            statement: CapturedStatement { simple: true, ..self.statement(sql, operation) },
        })
    }

    fn statement(&self, sql: Arc<str>, operation: &'static str) -> CapturedStatement {
        CapturedStatement {
            session: self.session,
            operation,
            sql,
            simple: false,
            types: Vec::new(),
            parameters: Vec::new(),
            result_formats: Vec::new(),
            tags: Vec::new(),
            error: None,
            after: None,
            order: self.recorder.expect(),
        }
    }

    fn completed(&mut self, tag: &[u8]) {
        let tag = String::from_utf8_lossy(tag).into_owned();
        match self.awaited.front_mut() {
            Some(Awaited::Execute(execution)) => {
                let execution = execution.take();
                self.awaited.pop_front();
                self.store(execution.map(|execution| execution.answered(tag)));
            }
            Some(Awaited::Query(Some(execution))) if !tag.is_empty() => execution.statement.tags.push(tag),
            _ => {}
        }
    }

    /// Processes an error, which belongs to the oldest statement. The statements after it do not run up to the next
    /// Sync.
    fn failed(&mut self, fields: &[u8]) {
        let field = |letter: &[u8]| {
            let found = fields.split(|byte| *byte == 0).find_map(|field| field.strip_prefix(letter));
            found.map(|text| String::from_utf8_lossy(text).into_owned())
        };
        let sqlstate = field(b"C");
        self.recorder.refuse(Refusal {
            sql: self.answered_now(),
            sqlstate: sqlstate.clone().unwrap_or_default(),
            message: field(b"M").unwrap_or_default(),
        });
        if let Some(Awaited::Query(Some(execution))) = self.awaited.front_mut() {
            execution.statement.error = sqlstate;
            return;
        }
        let together = self.awaited.iter().take_while(|next| matches!(next, Awaited::Execute(_))).count();
        let execution: Vec<_> = self.awaited.drain(..together).collect();
        let mut execution = execution.into_iter().filter_map(Awaited::into_execution);
        self.store(execution.next().map(|execution| execution.failed(sqlstate)));
        execution.for_each(|execution| self.recorder.cancel_expected(execution.epoch));
    }

    /// Returns the text of the statement that the next answer belongs to. If none is running, one is being prepared.
    fn answered_now(&self) -> Arc<str> {
        match self.awaited.front() {
            Some(Awaited::Execute(Some(execution)) | Awaited::Query(Some(execution))) => {
                execution.statement.sql.clone()
            }
            _ => self.parsed.clone(),
        }
    }

    /// Processes the end of an answer with the transaction status.
    fn ready(&mut self, body: &[u8]) {
        if let Some(Awaited::Query(execution)) = self.awaited.pop_front() {
            self.store(execution.map(|execution| execution.ready(body)));
        }
    }

    fn store(&self, execution: Option<Execution>) {
        if let Some(Execution { epoch, statement }) = execution {
            self.recorder.store(epoch, statement);
        }
    }
}

impl Awaited {
    fn into_execution(self) -> Option<Execution> {
        match self {
            Self::Execute(execution) | Self::Query(execution) => execution,
            Self::Sync => None,
        }
    }
}

impl Execution {
    fn answered(mut self, tag: String) -> Self {
        self.statement.tags.extend(Some(tag).filter(|tag| !tag.is_empty()));
        self
    }

    fn failed(mut self, sqlstate: Option<String>) -> Self {
        self.statement.error = sqlstate;
        self
    }

    fn ready(mut self, status: &[u8]) -> Self {
        self.statement.after = match status {
            b"I" => Some(TransactionStatus::Idle),
            b"T" => Some(TransactionStatus::Open),
            b"E" => Some(TransactionStatus::Failed),
            _ => None,
        };
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::{Captured, StatementKind};

    /// A simple query, the command tags of its answer, the transaction status after it, and its kind.
    type Message = (&'static str, &'static [&'static [u8]], &'static [u8], StatementKind);

    fn capture() -> (Recorder, SessionCapture) {
        let recorder = Recorder::new();
        (recorder.clone(), SessionCapture::new(recorder))
    }

    fn bind(statement: &str, value: Option<&[u8]>) -> Vec<u8> {
        let length = value.map_or(-1, |value| value.len() as i32).to_be_bytes();
        let head = [&b"\0"[..], statement.as_bytes(), b"\0", &[0, 1, 0, 1, 0, 1], &length].concat();
        [&head, value.unwrap_or_default(), &[0, 1, 0, 1]].concat()
    }

    fn run(capture: &mut SessionCapture, statement: &str, value: Option<&[u8]>) {
        capture.sent(b'B', &bind(statement, value), "shelf.find");
        capture.sent(b'E', b"\0\0\0\0\0", "shelf.find");
        capture.sent(b'S', b"", "shelf.find");
    }

    fn prepare(capture: &mut SessionCapture, name: &str, sql: &str) {
        let body = [name.as_bytes(), b"\0", sql.as_bytes(), &[0, 0, 1, 0, 0, 0, 23]].concat();
        capture.sent(b'P', &body, "shelf.find");
        capture.sent(b'S', b"", "shelf.find");
        capture.received(b'Z', b"I");
    }

    fn tags(captured: &Captured) -> Vec<(&str, &[String])> {
        captured.statements.iter().map(|statement| (&*statement.sql, &statement.tags[..])).collect()
    }

    #[test]
    fn captures_statements_prepared_earlier() {
        let (recorder, mut capture) = capture();
        prepare(&mut capture, "s0", "SELECT 1 FROM books WHERE id = $1");
        run(&mut capture, "s0", Some(b"early"));
        recorder.start();
        run(&mut capture, "s0", Some(b"abcd"));
        run(&mut capture, "s0", None);
        for _ in 0..3 {
            capture.received(b'C', b"SELECT 2\0");
            capture.received(b'Z', b"I");
        }
        let captured = recorder.take();
        let [first, second] = &captured.statements[..] else { panic!("two statements: {captured:?}") };
        assert_eq!(
            (&*first.sql, &first.types[..], first.rows()),
            ("SELECT 1 FROM books WHERE id = $1", &[23][..], Some(2))
        );
        assert_eq!(first.parameters, [Parameter { binary: true, value: Some(b"abcd".to_vec()) }]);
        assert_eq!(second.parameters[0].value, None);
        assert_eq!(
            (captured.missing, first.operation, &first.result_formats[..]),
            (0, "shelf.find", &[1][..])
        );
        assert!(!format!("{captured:?}").contains("97, 98"), "{captured:?}");
    }

    #[test]
    fn assigns_pipelined_answers_after_error() {
        let (recorder, mut capture) = capture();
        prepare(&mut capture, "a", "SELECT a");
        prepare(&mut capture, "b", "SELECT b");
        recorder.start();
        for name in ["a", "b", "a"] {
            run(&mut capture, name, None);
        }
        capture.received(b'E', b"SERROR\0C22012\0Mdivision by zero\0\0");
        capture.received(b'Z', b"I");
        for tag in [b"SELECT 5\0", b"SELECT 6\0"] {
            capture.received(b'C', tag);
            capture.received(b'Z', b"I");
        }
        let captured = recorder.take();
        assert_eq!(captured.statements[0].error.as_deref(), Some("22012"));
        let refusal = captured.refusal.as_ref().map(ToString::to_string);
        assert_eq!(refusal.as_deref(), Some("SELECT a: division by zero (SQLSTATE 22012)"));
        let answered = [
            ("SELECT a", vec![]),
            ("SELECT b", vec!["SELECT 5".into()]),
            ("SELECT a", vec!["SELECT 6".into()]),
        ];
        assert_eq!(
            tags(&captured),
            answered.each_ref().map(|(sql, tags): &(&str, Vec<String>)| (*sql, &tags[..]))
        );
    }

    #[test]
    fn refusal_names_statement_that_cannot_be_prepared() {
        let (recorder, mut capture) = capture();
        recorder.start();
        capture.sent(b'P', b"s0\0DROP INDEX\n  books_shelf\0\0\0", "x");
        capture.sent(b'S', b"", "x");
        capture.received(b'E', b"C42704\0Mindex \"books_shelf\" does not exist\0\0");
        capture.received(b'Z', b"I");
        let refusal = recorder.take().refusal.map(|refusal| refusal.to_string());
        let expected = "DROP INDEX books_shelf: index \"books_shelf\" does not exist (SQLSTATE 42704)";
        assert_eq!(refusal.as_deref(), Some(expected));
    }

    #[test]
    fn statements_skipped_after_error_are_not_missing() {
        let (recorder, mut capture) = capture();
        prepare(&mut capture, "", "SELECT 1 / $1");
        recorder.start();
        for _ in 0..2 {
            capture.sent(b'B', &bind("", None), "x");
            capture.sent(b'E', b"\0\0\0\0\0", "x");
        }
        capture.sent(b'S', b"", "x");
        capture.received(b'E', b"C22012\0\0");
        capture.received(b'Z', b"I");
        let captured = recorder.take();
        assert_eq!((captured.statements.len(), captured.missing), (1, 0));
    }

    #[test]
    fn late_answer_is_missing_from_its_capture() {
        let (recorder, mut capture) = capture();
        prepare(&mut capture, "a", "SELECT a");
        recorder.start();
        run(&mut capture, "a", None);
        assert_eq!(recorder.take().missing, 1);
        recorder.start();
        capture.received(b'C', b"SELECT 1\0");
        capture.received(b'Z', b"I");
        let captured = recorder.take();
        assert_eq!((captured.statements.len(), captured.missing), (0, 0));
    }

    #[test]
    fn own_excludes_transactions_settings_pings_and_look_ups() {
        let (recorder, mut capture) = capture();
        recorder.start();
        let messages: [Message; 6] = [
            (
                "BEGIN; SET LOCAL statement_timeout = 5",
                &[b"BEGIN\0", b"SET\0"],
                b"T",
                StatementKind::Transaction,
            ),
            ("SAVEPOINT a", &[b"SAVEPOINT\0"], b"T", StatementKind::Transaction),
            ("COMMIT", &[b"ROLLBACK\0"], b"I", StatementKind::Transaction),
            ("SET search_path = a", &[b"SET\0"], b"I", StatementKind::Setting),
            ("", &[], b"I", StatementKind::Ping),
            ("BEGIN; DELETE FROM books", &[b"BEGIN\0", b"DELETE 3\0"], b"T", StatementKind::Own),
        ];
        for (sql, tags, after, _) in messages {
            capture.sent(b'Q', &[sql.as_bytes(), b"\0"].concat(), "x");
            tags.iter().for_each(|tag| capture.received(b'C', tag));
            capture.received(b'Z', after);
        }
        prepare(&mut capture, "t", "SELECT t.typname\nFROM pg_catalog.pg_type t WHERE t.oid = $1");
        run(&mut capture, "t", None);
        capture.received(b'C', b"SELECT 1\0");
        let captured = recorder.take();
        let kinds: Vec<_> = captured.statements.iter().map(CapturedStatement::kind).collect();
        let expected = messages.map(|(.., kind)| kind).into_iter().chain([StatementKind::TypeLookup]);
        assert_eq!(kinds, expected.collect::<Vec<_>>());
        assert_eq!(captured.statements[2].after, Some(TransactionStatus::Idle));
        assert_eq!(captured.own().count(), 1);
    }
}
