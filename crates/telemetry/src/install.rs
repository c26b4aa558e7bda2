//! Makes this process log, once.

use crate::{Error, JsonLayer, LogFormat, LogOutput, LogSettings};
use crate::{filter, panic_hook};
use std::fmt;
use std::io::{self, Write};
use tracing::Subscriber;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// Lines that may wait for the output; beyond, they are dropped and counted.
const QUEUE_MAX: usize = 4096;

/// Sends every event of this process to the output that `settings` names, from now on, and makes each panic an event.
///
/// Keep the guard until the end of `main`. Fails when the level cannot be read, and when something else in this process
/// receives the events already; nothing is changed then.
pub fn install(settings: LogSettings) -> Result<Guard, Error> {
    let LogSettings { level, format, output } = settings;
    let filter = filter::parse(&level)?;
    let (writer, worker) = NonBlockingBuilder::default()
        .buffered_lines_limit(QUEUE_MAX)
        .lossy(true)
        .thread_name("logs")
        .finish(open(output));
    let dropped = writer.error_counter();
    tracing_subscriber::registry()
        .with(filter)
        .with(layer(format, writer))
        .try_init()
        .map_err(|_| Error::AlreadyInstalled)?;
    // Last: nothing is changed when it failed before.
    panic_hook::install();
    Ok(Guard { _worker: worker, dropped })
}

fn open(output: LogOutput) -> Box<dyn Write + Send> {
    match output {
        LogOutput::Stderr => Box::new(io::stderr()),
    }
}

fn layer<S>(format: LogFormat, writer: NonBlocking) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    match format {
        LogFormat::Json => JsonLayer::new(writer).boxed(),
        LogFormat::Text => tracing_subscriber::fmt::layer().with_ansi(false).with_writer(writer).boxed(),
    }
}

/// Keeps the logs flowing. When it is dropped, what is queued is written out; that takes about a second at most.
#[must_use = "dropped at once, it would close the logs at once"]
pub struct Guard {
    _worker: WorkerGuard,
    dropped: ErrorCounter,
}

impl Guard {
    /// How many lines were dropped so far because the output was slower than the service.
    pub fn dropped_lines(&self) -> usize {
        self.dropped.dropped_lines()
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("dropped_lines", &self.dropped_lines()).finish_non_exhaustive()
    }
}
