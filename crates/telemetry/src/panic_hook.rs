//! Panics as events: the words that a panic writes by itself would stand between the lines of the log, over several
//! lines, without time or request.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{PanicHookInfo, set_hook};

/// From now on each panic of this process is one event of level error, with the fields of the spans around it.
///
/// A backtrace is in it where the environment asks for one, as always with `RUST_BACKTRACE`.
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

/// The words of a panic. `panic!` makes them a text of one of two kinds; anything else has none.
fn said(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no words")
}
