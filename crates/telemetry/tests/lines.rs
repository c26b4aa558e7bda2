//! Lines as written through the facade and the layer to a captured writer.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a broken line is a failed test")]

use proptest::prelude::*;
use serde_json::{Value, json};
use std::error::Error;
use std::io;
use std::sync::{Arc, Mutex};
use std::thread;
use steadfast_telemetry::JsonLayer;
use tracing::Dispatch;
use tracing::field::Empty;
use tracing_subscriber::layer::SubscriberExt;

/// Written bytes, shared by all writers; a lock protects each call.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn dispatch(&self) -> Dispatch {
        let sink = self.clone();
        Dispatch::new(tracing_subscriber::registry().with(JsonLayer::new(move || sink.clone())))
    }
}

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug, thiserror::Error)]
#[error("no weather today")]
struct NoWeather(#[source] io::Error);

/// Returns everything that `logging` wrote.
fn captured(logging: impl FnOnce()) -> String {
    let sink = Sink::default();
    tracing::dispatcher::with_default(&sink.dispatch(), logging);
    sink.text()
}

/// Returns the parsed lines that `logging` wrote.
fn lines(logging: impl FnOnce()) -> Vec<Value> {
    let written = captured(logging);
    assert!(written.is_empty() || written.ends_with('\n'));
    written.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

fn the_line(logging: impl FnOnce()) -> Value {
    let lines = lines(logging);
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines.into_iter().next().unwrap()
}

#[test]
fn lines_start_with_the_fixed_fields() {
    let written = captured(|| tracing::warn!(target: "weather::station", station = 7, "no answer"));
    let order: Vec<usize> = [
        "\"timestamp\":",
        "\"level\":\"WARN\"",
        "\"logger\":\"weather::station\"",
        "\"message\":\"no answer\"",
        "\"station\":7",
    ]
    .map(|part| written.find(part).expect(&written))
    .to_vec();
    assert!(order.is_sorted(), "{written}");
}

#[test]
fn timestamps_are_utc_with_milliseconds() {
    let line = the_line(|| tracing::info!("now"));
    let timestamp = line["timestamp"].as_str().unwrap();
    assert_eq!(timestamp.len(), "2026-04-01T09:30:00.125Z".len());
    let age = chrono::Utc::now() - timestamp.parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    assert!(timestamp.ends_with('Z') && age.num_seconds().abs() < 60, "{timestamp}");
}

#[test]
fn numbers_and_booleans_retain_their_types() {
    let line = the_line(|| {
        tracing::info!(duration_ms = 1.25, rows = u64::MAX, change = -3, cache_hit = false, user = %"ann", ids = ?[1, 2], "x");
    });
    assert_eq!(line["duration_ms"], json!(1.25));
    assert_eq!(line["rows"], json!(u64::MAX));
    assert_eq!(line["change"], json!(-3));
    assert_eq!(line["cache_hit"], json!(false));
    assert_eq!(line["user"], json!("ann"));
    assert_eq!(line["ids"], json!("[1, 2]"));
}

#[test]
fn unrepresentable_numbers_are_strings() {
    let line = the_line(|| tracing::info!(ratio = f64::NAN, limit = f64::INFINITY, wide = u128::MAX, "x"));
    assert_eq!((&line["ratio"], &line["limit"]), (&json!("NaN"), &json!("inf")));
    assert_eq!(line["wide"], json!(u128::MAX.to_string()));
}

#[test]
fn errors_include_their_sources() {
    let refused = io::Error::new(io::ErrorKind::ConnectionRefused, "refused");
    let error = NoWeather(refused);
    let line = the_line(|| tracing::error!(error = &error as &dyn Error, "x"));
    assert_eq!(line["error"], json!("no weather today: refused"));
}

#[test]
fn innermost_field_of_a_name_is_written() {
    let written = captured(|| {
        let _outer = tracing::info_span!("outer", a = "outer", b = "outer", c = "outer").entered();
        let _inner = tracing::info_span!("inner", b = "inner", c = "inner").entered();
        tracing::info!(c = "event", "x");
    });
    let line: Value = serde_json::from_str(&written).unwrap();
    assert_eq!((&line["a"], &line["b"], &line["c"]), (&json!("outer"), &json!("inner"), &json!("event")));
    assert_eq!(written.matches("\"c\":").count(), 1, "{written}");
}

#[test]
fn later_fields_of_spans_are_on_later_lines() {
    let lines = lines(|| {
        let span = tracing::info_span!("request", status = Empty, user_id = Empty);
        let _entered = span.enter();
        tracing::info!("before");
        span.record("user_id", 42);
        span.record("status", 200);
        span.record("status", 503);
        tracing::info!("after");
    });
    assert_eq!(lines[0].get("user_id"), None);
    assert_eq!((&lines[1]["user_id"], &lines[1]["status"]), (&json!(42), &json!(503)));
}

#[test]
fn fields_cannot_replace_reserved_fields() {
    let line = the_line(|| {
        let _span = tracing::info_span!("span", message = "forged", logger = "forged").entered();
        tracing::info!(level = "ERROR", timestamp = 0, truncated = true, "true message");
    });
    assert_eq!((&line["level"], &line["message"]), (&json!("INFO"), &json!("true message")));
    assert_eq!((&line["field_level"], &line["field_message"]), (&json!("ERROR"), &json!("forged")));
    assert!(
        line["timestamp"].is_string() && line["logger"] == json!("lines") && line.get("truncated").is_none()
    );
}

#[test]
fn events_without_message_have_an_empty_one() {
    assert_eq!(the_line(|| tracing::info!(rows = 1))["message"], json!(""));
}

#[test]
fn lines_have_no_fields_of_other_requests() {
    let lines = lines(|| {
        tracing::info_span!("first", request_id = 1).in_scope(|| tracing::info!("one"));
        tracing::info!("none");
    });
    assert_eq!((&lines[0]["request_id"], lines[1].get("request_id")), (&json!(1), None));
}

#[test]
fn lines_of_threads_do_not_mix() {
    const THREADS: usize = 8;
    const EACH: usize = 250;
    let sink = Sink::default();
    let dispatch = sink.dispatch();
    thread::scope(|scope| {
        for number in 0..THREADS {
            let dispatch = dispatch.clone();
            scope.spawn(move || {
                tracing::dispatcher::with_default(&dispatch, || {
                    let _span = tracing::info_span!("thread", number).entered();
                    (0..EACH).for_each(|step| tracing::info!(step, text = "\n{\"", "x"));
                });
            });
        }
    });
    let written = sink.text();
    let mut steps = vec![0; THREADS];
    for line in written.lines() {
        let line: Value = serde_json::from_str(line).expect(line);
        let number = usize::try_from(line["number"].as_u64().unwrap()).unwrap();
        assert_eq!(line["step"], json!(steps[number]), "lines of one thread are in order");
        steps[number] += 1;
    }
    assert_eq!(steps, [EACH; THREADS]);
}

#[test]
fn lines_have_a_maximum_length() {
    let huge = "\u{1}\"é".repeat(200_000);
    let written = captured(|| {
        let _span = tracing::info_span!("span", a = huge, b = huge, c = huge, d = huge, e = huge).entered();
        tracing::info!(rows = 3, f = %huge, g = huge, "{huge}");
    });
    assert!(written.len() <= 64 * 1024, "{}", written.len());
    let line: Value = serde_json::from_str(&written).unwrap();
    assert_eq!((&line["rows"], &line["truncated"]), (&json!(3), &json!(true)));
    assert!(line["message"].as_str().unwrap().ends_with('…'));
}

proptest! {
    #[test]
    fn any_event_is_one_line_of_json(message: String, shown: String, debugged: String, number: i64) {
        let written = captured(|| tracing::info!(text = shown, debugged = ?debugged, number, "{message}"));
        prop_assert_eq!(written.matches('\n').count(), 1);
        let line: Value = serde_json::from_str(&written).unwrap();
        prop_assert_eq!(&line["message"], &json!(message));
        prop_assert_eq!(&line["text"], &json!(shown));
        prop_assert_eq!(&line["debugged"], &json!(format!("{debugged:?}")));
        prop_assert_eq!(&line["number"], &json!(number));
    }
}
