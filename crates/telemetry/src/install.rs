//! Installation of the subscriber.

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

/// Maximum number of queued lines. Further lines are dropped and counted.
const QUEUE_MAX: usize = 4096;

/// Writes all events of the process to the output in `settings`, and logs panics as events.
///
/// Hold the guard until the end of `main`.
///
/// # Errors
/// Returns an error if the level is invalid or the process has a subscriber already. The process is unchanged then.
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
    // Last, so that errors leave the process unchanged.
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

/// Owner of the log writer. Dropping it writes the queued lines, which takes at most about a second.
#[must_use = "dropping the guard stops the logs"]
pub struct Guard {
    _worker: WorkerGuard,
    dropped: ErrorCounter,
}

impl Guard {
    /// Returns the number of lines that were dropped because the output was too slow.
    pub fn dropped_lines(&self) -> usize {
        self.dropped.dropped_lines()
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("dropped_lines", &self.dropped_lines()).finish_non_exhaustive()
    }
}
