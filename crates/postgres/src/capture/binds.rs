//! Record of the parameters that were NULL in each statement of a process, for the coverage of a verification. Several
//! processes may share the file.

use super::message::{Bind, Body, Parse};
use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// Environment variable with the path of the file. Nothing is recorded if it is unset.
const FILE: &str = "STEADFAST_BINDS";

/// Maximum number of patterns that a process records.
const PATTERNS_MAX: usize = 100_000;

static OF_PROCESS: LazyLock<Option<Arc<Mutex<Record>>>> = LazyLock::new(|| {
    let path = std::env::var_os(FILE).filter(|path| !path.is_empty())?;
    Some(Arc::new(Mutex::new(Record::in_file(path.into()))))
});

/// Follows the prepared statements of one session.
#[derive(Debug)]
pub(crate) struct BindLog {
    record: Arc<Mutex<Record>>,
    prepared: HashMap<Vec<u8>, Arc<str>>,
}

impl BindLog {
    /// Returns a log for a new session, if the process has a file to record in.
    pub(crate) fn of_process() -> Option<Self> {
        OF_PROCESS.clone().map(Self::new)
    }

    fn new(record: Arc<Mutex<Record>>) -> Self {
        Self { record, prepared: HashMap::new() }
    }

    /// Processes a message to the server.
    pub(crate) fn sent(&mut self, tag: u8, body: &[u8]) {
        match tag {
            b'P' => {
                if let Some(Parse { name, sql, .. }) = Body::new(body).parse() {
                    let words: Vec<_> =
                        String::from_utf8_lossy(sql).split_whitespace().map(str::to_owned).collect();
                    self.prepared.insert(name.to_vec(), words.join(" ").into());
                }
            }
            b'B' => self.bound(body),
            b'C' => {
                if let Some((b'S', name)) = body.split_first() {
                    self.prepared.remove(Body::new(name).text().unwrap_or_default());
                }
            }
            _ => {}
        }
    }

    fn bound(&self, body: &[u8]) {
        let Some(Bind { statement, parameters, .. }) = Body::new(body).bind() else { return };
        if let Some(sql) = self.prepared.get(statement).filter(|_| !parameters.is_empty()) {
            let nulls: String = parameters
                .iter()
                .map(|parameter| if parameter.value.is_none() { '1' } else { '0' })
                .collect();
            self.record.lock().unwrap_or_else(PoisonError::into_inner).add(&nulls, sql);
        }
    }
}

/// Patterns that the process has written, each once.
#[derive(Debug)]
struct Record {
    path: PathBuf,
    file: io::Result<File>,
    written: HashSet<u64>,
}

impl Record {
    fn in_file(path: PathBuf) -> Self {
        let file = OpenOptions::new().append(true).create(true).open(&path);
        Self { path, file, written: HashSet::new() }
    }

    /// Writes a line: one digit per parameter, 1 if it was NULL; then the statement. Each line is one appending write,
    /// so the lines of several processes do not mix.
    fn add(&mut self, nulls: &str, sql: &str) {
        let mut hasher = DefaultHasher::new();
        (nulls, sql).hash(&mut hasher);
        if self.written.len() >= PATTERNS_MAX {
            return self.fail(&format!("a process has more than {PATTERNS_MAX} patterns"));
        }
        if !self.written.insert(hasher.finish()) {
            return;
        }
        let outcome = match &mut self.file {
            Ok(file) => {
                file.write_all(format!("{nulls}\t{sql}\n").as_bytes()).map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        if let Err(why) = outcome {
            self.fail(&why);
        }
    }

    /// Marks the record as incomplete by creating a file beside it. Readers of the record fail; the program continues.
    fn fail(&self, why: &str) {
        let mut path = self.path.clone().into_os_string();
        path.push(".failed");
        // If this fails too, the file most likely contains nothing of this process.
        _ = std::fs::write(path, why);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &str, sql: &str) -> Vec<u8> {
        [name.as_bytes(), b"\0", sql.as_bytes(), b"\0\0\0"].concat()
    }

    /// Returns a Bind message with empty or NULL values.
    fn bind(statement: &str, nulls: &[bool]) -> Vec<u8> {
        let count = (nulls.len() as u16).to_be_bytes();
        let mut body = [&b"\0"[..], statement.as_bytes(), b"\0\0\0", &count].concat();
        for is_null in nulls {
            body.extend(if *is_null { -1_i32 } else { 0 }.to_be_bytes());
        }
        body.extend([0, 0]);
        body
    }

    fn log(name: &str) -> (BindLog, PathBuf) {
        let path = std::env::temp_dir().join(format!("steadfast-binds-{name}-{}", std::process::id()));
        (BindLog::new(Arc::new(Mutex::new(Record::in_file(path.clone())))), path)
    }

    #[test]
    fn each_pattern_is_written_once() {
        let (mut log, path) = log("patterns");
        log.sent(b'P', &parse("a", "SELECT $1,\n  $2"));
        log.sent(b'P', &parse("b", "SELECT 1"));
        for nulls in [[false, true], [false, true], [false, false], [false, true]] {
            log.sent(b'B', &bind("a", &nulls));
        }
        log.sent(b'B', &bind("b", &[]));
        log.sent(b'C', b"Sa\0");
        log.sent(b'B', &bind("a", &[true, true]));
        let text = std::fs::read_to_string(&path).expect("a file");
        std::fs::remove_file(&path).expect("its file");
        assert_eq!(text, "01\tSELECT $1, $2\n00\tSELECT $1, $2\n");
    }

    #[test]
    fn failure_to_write_marks_record_as_incomplete() {
        let (_, path) = log("folder");
        std::fs::remove_file(&path).expect("its file");
        std::fs::create_dir(&path).expect("a folder in its place");
        let mut record = Record::in_file(path.clone());
        record.add("1", "SELECT $1");
        let mark = path.with_extension("failed");
        let why = std::fs::read_to_string(&mark).expect("the mark");
        std::fs::remove_dir(&path).and_then(|()| std::fs::remove_file(&mark)).expect("both");
        assert!(!why.is_empty());
    }
}
