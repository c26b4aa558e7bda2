//! The logs of a whole process: this test starts itself again and reads what the child writes to standard error.
#![expect(clippy::unwrap_used, reason = "a child that cannot log is a failed test")]

use serde_json::{Value, json};
use std::process::{Command, Output};
use std::thread;
use steadfast_telemetry::{Error, LogSettings, install};

const CHILD: &str = "STEADFAST_TELEMETRY_TEST_CHILD";
const LINES: usize = 2_000;

#[test]
fn every_line_of_a_process_is_written_before_it_ends() {
    if std::env::var_os(CHILD).is_some() {
        return log_and_end();
    }
    let child = child("every_line_of_a_process_is_written_before_it_ends");
    assert!(child.status.success(), "{child:?}");
    let written = String::from_utf8(child.stderr).unwrap();
    let steps = written
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .map(|line| line["step"].clone());
    assert!(steps.eq((0..LINES).map(|step| json!(step))), "{written}");
}

/// This program again, as a child that runs the one test and takes the other way in it.
fn child(test: &str) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, "1")
        .env_remove("RUST_BACKTRACE")
        .output()
        .unwrap()
}

#[test]
fn a_panic_is_one_line_of_the_log_and_nothing_beside_it() {
    if std::env::var_os(CHILD).is_some() {
        return panic_and_go_on();
    }
    let child = child("a_panic_is_one_line_of_the_log_and_nothing_beside_it");
    assert!(child.status.success(), "{child:?}");
    let written = String::from_utf8(child.stderr).unwrap();
    let lines: Vec<Value> = written.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert_eq!(lines.len(), 3, "{written}");
    for (line, words) in lines.iter().zip(["plain", "formatted 7\nover lines", "no words"]) {
        assert_eq!((&line["level"], &line["message"]), (&json!("ERROR"), &json!("panicked")));
        assert_eq!((&line["panic"], &line["request_id"]), (&json!(words), &json!("7f3a")));
    }
    assert!(lines[0]["location"].as_str().unwrap().contains("process.rs:"), "{written}");
    assert_eq!(lines[0]["thread"], "worker");
}

/// What the child does: one panic of each kind of payload, each in a thread of its own.
fn panic_and_go_on() {
    let _guard = install(LogSettings::default()).unwrap();
    let number = 7;
    let panics: [fn(i32); 3] = [
        |_| panic!("plain"),
        |number| panic!("formatted {number}\nover lines"),
        |_| std::panic::panic_any(std::time::Duration::ZERO),
    ];
    for panic in panics {
        let worker = thread::Builder::new().name("worker".to_owned());
        let panics = move || tracing::info_span!("request", request_id = "7f3a").in_scope(|| panic(number));
        assert!(worker.spawn(panics).unwrap().join().is_err());
    }
}

/// What the child does: its lines wait in the queue when the guard goes.
fn log_and_end() {
    let guard = install(LogSettings { level: "INFO".to_owned(), ..LogSettings::default() }).unwrap();
    (0..LINES).for_each(|step| tracing::info!(step, "line"));
    tracing::debug!(step = "below the level", "line");
    assert_eq!(guard.dropped_lines(), 0);
    assert!(matches!(install(LogSettings::default()), Err(Error::AlreadyInstalled)));
}
