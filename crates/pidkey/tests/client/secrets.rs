//! Secrets in logs, errors and debug output, in every failure mode.

use crate::support::{API_KEY, KEY, OTHER_KEY, impatient, keys, later};
use anyhow::Result;
use pidkey_sandbox::{Control, Mode};
use std::error::Error as _;
use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use steadfast_pidkey::{Client, Settings};
use tracing_subscriber::fmt::format::FmtSpan;

/// Texts that must not appear: the API key, the product keys with and without dashes, and a group that `Debug` omits.
const SECRETS: [&str; 8] =
    [API_KEY, "apikey=", KEY, "6NRGD-KHFCF", "KHFCF", OTHER_KEY, "BHJMN-PQRTV", "%0D%0A"];

/// Records all events: those of `tracing` as a writer, those of `log`, which the HTTP client uses, as a logger.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn take(&self) -> String {
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&std::mem::take(&mut *bytes)).into_owned()
    }

    /// Records the events of the whole process, because connections use tasks on any thread.
    fn install(&self) -> Result<()> {
        let sink = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_span_events(FmtSpan::FULL)
            .with_ansi(false)
            .with_writer(move || sink.clone())
            .finish();
        // `init` would replace the `log` logger in some builds.
        tracing::subscriber::set_global_default(subscriber)?;
        log::set_max_level(log::LevelFilter::Trace);
        Ok(log::set_boxed_logger(Box::new(self.clone()))?)
    }
}

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl log::Log for Sink {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = format!("{} {}: {}\n", record.level(), record.target(), record.args());
        let _ = io::Write::write(&mut self.clone(), line.as_bytes());
    }

    fn flush(&self) {}
}

/// Returns everything that a program could print about a check.
async fn printed(settings: Settings) -> Result<String> {
    let mut text = format!("{settings:?}\n{settings:#?}\n");
    let client = Client::new(settings)?;
    let outcome = client.check(&keys()?, later()).await;
    writeln!(text, "{client:?}\n{client:#?}\n{outcome:?}\n{outcome:#?}\n{:?}", client.breaker())?;
    let Err(error) = outcome else { return Ok(text) };
    writeln!(text, "{error}")?;
    let mut source = error.source();
    while let Some(cause) = source {
        writeln!(text, "{cause} {cause:?}")?;
        source = cause.source();
    }
    writeln!(text, "{:?}", anyhow::Error::from(error))?;
    Ok(text)
}

fn assert_no_secret(text: &str, place: &str) {
    for secret in SECRETS {
        assert!(!text.to_uppercase().contains(&secret.to_uppercase()), "{secret} in {place}:\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_failure_discloses_secrets() -> Result<()> {
    let sink = Sink::default();
    sink.install()?;
    let sandbox = crate::support::sandbox().await?;
    for mode in [
        Mode::Ok,
        Mode::RateLimited,
        Mode::RateLimitedWithoutRetryAfter,
        Mode::Unauthorized,
        Mode::Forbidden,
        Mode::ServerError,
        Mode::Garbage,
        Mode::CutJson,
        Mode::Truncated,
        Mode::SlowDrip,
        Mode::Hang,
        Mode::Redirect,
        Mode::Oversized,
        Mode::Object,
        Mode::SingleObject,
        Mode::Uneven,
    ] {
        sandbox.control(Control::mode(mode));
        let before = sandbox.seen().requests;
        assert_no_secret(&printed(impatient(sandbox.base_url())).await?, &format!("a printout, {mode:?}"));
        assert!(
            sandbox.seen().requests > before && sandbox.seen().last_query.contains(API_KEY),
            "it was sent"
        );
        let events = sink.take();
        assert!(events.contains("PIDKey.com check started"), "events are recorded: {events}");
        assert!(events.contains("TRACE"), "at all levels: {events}");
        assert_no_secret(&events, &format!("the events, {mode:?}"));
    }
    let gone = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    for base_url in [format!("http://{gone}/"), sandbox.base_url().replace("http://", "https://")] {
        assert_no_secret(&printed(impatient(&base_url)).await?, &base_url);
        let events = sink.take();
        assert!(events.contains("outcome=\"unreachable\""), "{events}");
        assert_no_secret(&events, &base_url);
    }
    Ok(())
}
