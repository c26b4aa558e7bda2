//! The layer that stores the fields of spans and writes each event as one line.

use crate::fields::Fields;
use crate::line::Line;
use chrono::Utc;
use std::io::Write;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// Layer that writes each event as one line of JSON, with one call of the writer.
///
/// Lines of concurrent threads do not mix if one `write_all` of the writer is atomic, as it is for standard streams,
/// locked buffers and non-blocking writers. If the writer fails, the line is lost.
#[derive(Debug)]
pub struct JsonLayer<W> {
    writer: W,
}

impl<W> JsonLayer<W> {
    /// Creates a layer that writes to `writer`.
    pub fn new(writer: W) -> Self {
        Self { writer }
    }
}

impl<S, W> Layer<S> for JsonLayer<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut own = Fields::default();
        event.record(&mut own);
        let about = event.metadata();
        let mut line = Line::open(Utc::now(), about.level().as_str(), about.target(), own.message());
        own.named().for_each(|(name, value)| line.field(name, value));
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(fields) = span.extensions().get::<Fields>() {
                fields.all().for_each(|(name, value)| line.field(name, value));
            }
        }
        let _ = self.writer.make_writer_for(about).write_all(&line.finish());
    }
}
