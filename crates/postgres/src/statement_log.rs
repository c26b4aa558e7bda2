//! Logging of slow statements and, with echo, of all statements. Values are never logged.

use chrono::Utc;
use std::io::Write;
use std::time::Duration;

/// Settings for logging statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatementLog {
    /// Threshold for logging a slow statement of operations that do not declare their own. Defaults to 1 s.
    pub slow_after: Duration,
    /// True if slow statements are also written to standard error, as `[time] SLOW QUERY (2.345s): text`.
    pub slow_to_stderr: bool,
    /// True if every statement is logged when it is sent. For development only.
    pub echo: bool,
}

impl Default for StatementLog {
    fn default() -> Self {
        Self { slow_after: Duration::from_secs(1), slow_to_stderr: false, echo: false }
    }
}

impl StatementLog {
    /// Logs a statement that was sent.
    pub(crate) fn sent(&self, statement: &str) {
        if self.echo {
            tracing::info!(statement, "statement");
        }
    }

    /// Logs a statement of `operation` that took longer than the threshold.
    pub(crate) fn slow(&self, operation: &'static str, statement: &str, took: Duration) {
        let duration_ms = took.as_secs_f64() * 1e3;
        tracing::warn!(operation, statement, duration_ms, "slow statement");
        metrics::counter!("db_slow_statements_total", "operation" => operation).increment(1);
        if self.slow_to_stderr {
            let line = slow_line(&Utc::now().format("%Y-%m-%d %H:%M:%S").to_string(), statement, took);
            // A closed standard error must not fail a statement.
            _ = writeln!(std::io::stderr(), "{line}");
        }
    }
}

fn slow_line(time: &str, statement: &str, took: Duration) -> String {
    format!("[{time}] SLOW QUERY ({:.3}s): {statement}", took.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stderr_line_has_documented_form() {
        let line = slow_line(
            "2026-02-10 12:00:00",
            "SELECT * FROM row WHERE status = $1",
            Duration::from_millis(2345),
        );
        assert_eq!(line, "[2026-02-10 12:00:00] SLOW QUERY (2.345s): SELECT * FROM row WHERE status = $1");
    }
}
