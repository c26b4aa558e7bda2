//! Installation of the subscriber.

use crate::writer::LogWriter;
use crate::{Error, JsonLayer, LogFormat, LogOutput, LogSettings};
use crate::{filter, panic_hook};
use std::io::{self, Write};
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// Sends every event of this process to the output that `settings` names, from now on, and makes each panic an event.
///
/// Hold the guard until the end of `main`.
///
/// # Errors
/// Returns an error if the level is invalid or the process has a subscriber already. The process is unchanged then.
pub fn install(settings: LogSettings) -> Result<Guard, Error> {
    let LogSettings { level, format, output } = settings;
    let filter = filter::parse(&level)?;
    let writer = LogWriter::start(open(output)).map_err(Error::Thread)?;
    let subscriber = tracing_subscriber::registry().with(filter).with(layer(format, writer.clone()));
    if subscriber.try_init().is_err() {
        writer.close();
        return Err(Error::AlreadyInstalled);
    }
    // Last: nothing is changed when it failed before.
    panic_hook::install();
    Ok(Guard { writer })
}

fn open(output: LogOutput) -> Box<dyn Write + Send> {
    match output {
        LogOutput::Stderr => Box::new(io::stderr()),
    }
}

fn layer<S>(format: LogFormat, writer: LogWriter) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    match format {
        LogFormat::Json => JsonLayer::new(writer).boxed(),
        LogFormat::Text => tracing_subscriber::fmt::layer().with_ansi(false).with_writer(writer).boxed(),
    }
}

/// Handle of the installed logs. Dropping it writes out what is queued, and gives up only if the output accepts nothing
/// for a second. Lines logged after that are written one by one.
#[derive(Debug)]
#[must_use = "dropping it ends the batched writing of logs"]
pub struct Guard {
    writer: LogWriter,
}

impl Guard {
    /// Returns the number of lines that were dropped because the output was slower than the service.
    pub fn dropped_lines(&self) -> usize {
        self.writer.dropped_lines()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.writer.close();
    }
}
