//! Logs of a process: the test runs itself as a child and reads its standard error.
#![expect(clippy::unwrap_used, reason = "a child that cannot log is a failed test")]

use serde_json::{Value, json};
use std::process::{Command, Output};
use std::thread;
use steadfast_telemetry::{Error, LogSettings, install};

const CHILD: &str = "STEADFAST_TELEMETRY_TEST_CHILD";
const LINES: usize = 2_000;

#[test]
fn all_lines_are_written_before_the_process_ends() {
    if std::env::var_os(CHILD).is_some() {
        return log_and_end();
    }
    let child = child("all_lines_are_written_before_the_process_ends");
    assert!(child.status.success(), "{child:?}");
    let written = String::from_utf8(child.stderr).unwrap();
    let steps = written
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .map(|line| line["step"].clone());
    assert!(steps.eq((0..LINES).map(|step| json!(step))), "{written}");
}

/// Runs this program as a child that takes the other branch of `test`.
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
fn panics_are_single_lines() {
    if std::env::var_os(CHILD).is_some() {
        return panic_and_continue();
    }
    let child = child("panics_are_single_lines");
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

/// Runs in the child: panics with each type of payload in separate threads.
fn panic_and_continue() {
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

/// Runs in the child: drops the guard while lines are queued.
fn log_and_end() {
    let guard = install(LogSettings { level: "INFO".to_owned(), ..LogSettings::default() }).unwrap();
    (0..LINES).for_each(|step| tracing::info!(step, "line"));
    tracing::debug!(step = "below the level", "line");
    assert_eq!(guard.dropped_lines(), 0);
    assert!(matches!(install(LogSettings::default()), Err(Error::AlreadyInstalled)));
}
