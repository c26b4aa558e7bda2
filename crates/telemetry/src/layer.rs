//! The layer that stores the fields of spans and writes each event as one line.

use crate::fields::Fields;
use crate::line::Line;
use chrono::Utc;
use std::cell::RefCell;
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
        let reused = LINE.try_with(|line| {
            line.try_borrow_mut().map(|mut line| self.write(&mut line, event, &context)).is_ok()
        });
        // The thread is ending, or a value of an outer event logs while it is formatted.
        if !reused.unwrap_or(false) {
            self.write(&mut Line::default(), event, &context);
        }
    }
}

thread_local! {
    static LINE: RefCell<Line> = RefCell::default();
}

impl<W> JsonLayer<W> {
    fn write<S>(&self, line: &mut Line, event: &Event<'_>, context: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
        W: for<'a> MakeWriter<'a> + 'static,
    {
        line.open(Utc::now(), event);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(fields) = span.extensions().get::<Fields>() {
                line.span(fields);
            }
        }
        let _ = self.writer.make_writer_for(event.metadata()).write_all(line.finish());
    }
}
