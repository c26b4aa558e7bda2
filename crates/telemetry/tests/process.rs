//! The logs of a whole process: this test starts itself again and reads what the child writes to standard error.
#![expect(clippy::unwrap_used, reason = "a child that cannot log is a failed test")]

use serde_json::{Value, json};
use std::process::Command;
use steadfast_telemetry::{Error, LogSettings, install};

const CHILD: &str = "STEADFAST_TELEMETRY_TEST_CHILD";
const LINES: usize = 2_000;

#[test]
fn every_line_of_a_process_is_written_before_it_ends() {
    if std::env::var_os(CHILD).is_some() {
        return log_and_end();
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "every_line_of_a_process_is_written_before_it_ends", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    assert!(child.status.success(), "{child:?}");
    let written = String::from_utf8(child.stderr).unwrap();
    let steps = written
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .map(|line| line["step"].clone());
    assert!(steps.eq((0..LINES).map(|step| json!(step))), "{written}");
}

/// What the child does: its lines wait in the queue when the guard goes.
fn log_and_end() {
    let guard = install(LogSettings { level: "INFO".to_owned(), ..LogSettings::default() }).unwrap();
    (0..LINES).for_each(|step| tracing::info!(step, "line"));
    tracing::debug!(step = "below the level", "line");
    assert_eq!(guard.dropped_lines(), 0);
    assert!(matches!(install(LogSettings::default()), Err(Error::AlreadyInstalled)));
}
