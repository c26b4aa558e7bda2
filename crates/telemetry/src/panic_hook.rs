//! Panics as events. The default output of a panic has several lines, without time or request.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{PanicHookInfo, set_hook};

/// Installs a hook that logs each panic as an event of level error, with the fields of its spans.
///
/// The event has a backtrace if `RUST_BACKTRACE` requests one.
pub(crate) fn install() {
    set_hook(Box::new(log));
}

fn log(info: &PanicHookInfo<'_>) {
    let backtrace = Backtrace::capture();
    let is_captured = backtrace.status() == BacktraceStatus::Captured;
    tracing::error!(
        panic = said(info.payload()),
        location = info.location().map(tracing::field::display),
        thread = std::thread::current().name(),
        backtrace = is_captured.then(|| tracing::field::display(&backtrace)),
        "panicked"
    );
}

/// Returns the message of a panic. `panic!` has one of two string types as payload; other payloads have no message.
fn said(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no words")
}
