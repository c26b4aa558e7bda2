//! What is written of statements: the slow ones, and with echo every one. Their texts, never their values.

use chrono::Utc;
use std::io::Write;
use std::time::Duration;

/// What is written of statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatementLog {
    /// From when on a statement is slow whose operation says nothing: 1 s.
    pub slow_after: Duration,
    /// Whether slow statements are also written to standard error, as `[time] SLOW QUERY (2.345s): text`.
    pub slow_to_stderr: bool,
    /// Whether every statement is logged as it is sent. For one developer, not for production.
    pub echo: bool,
}

impl Default for StatementLog {
    fn default() -> Self {
        Self { slow_after: Duration::from_secs(1), slow_to_stderr: false, echo: false }
    }
}

impl StatementLog {
    /// A statement is sent.
    pub(crate) fn sent(&self, statement: &str) {
        if self.echo {
            tracing::info!(statement, "statement");
        }
    }

    /// A statement of `operation` took `took`, which is more than it may.
    pub(crate) fn slow(&self, operation: &'static str, statement: &str, took: Duration) {
        let duration_ms = took.as_secs_f64() * 1e3;
        tracing::warn!(operation, statement, duration_ms, "slow statement");
        metrics::counter!("db_slow_statements_total", "operation" => operation).increment(1);
        if self.slow_to_stderr {
            let line = slow_line(&Utc::now().format("%Y-%m-%d %H:%M:%S").to_string(), statement, took);
            // Nobody may be reading standard error; that must not fail a statement.
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
    fn the_line_on_stderr_has_the_documented_form() {
        let line = slow_line(
            "2026-02-10 12:00:00",
            "SELECT * FROM row WHERE status = $1",
            Duration::from_millis(2345),
        );
        assert_eq!(line, "[2026-02-10 12:00:00] SLOW QUERY (2.345s): SELECT * FROM row WHERE status = $1");
    }
}
