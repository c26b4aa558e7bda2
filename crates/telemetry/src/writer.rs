//! The writer of log lines. Callers add lines to a queue in memory, and one thread writes the queue out in batches.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// Maximum size of the queue in bytes. Lines beyond it are dropped and counted.
const QUEUE_MAX: usize = 4 * 1024 * 1024;

/// Size of the queue in bytes at which it is written without further delay.
const BATCH: usize = 64 * 1024;

/// Longest time for which a line waits for others to be written with it.
const DELAY: Duration = Duration::from_millis(100);

/// Time without progress of the output after which closing gives up.
const STALL: Duration = Duration::from_secs(1);

/// A writer of log lines. It never waits for the output. Clones share the queue.
#[derive(Clone)]
pub(crate) struct LogWriter(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    /// Signals that the thread may have something to do.
    wake: Condvar,
    /// Signals that the thread has made progress.
    progress: Condvar,
    output: Mutex<Box<dyn Write + Send>>,
}

#[derive(Default)]
struct Queue {
    lines: Vec<u8>,
    dropped: usize,
    /// True if the lines must be written without further delay.
    is_urgent: bool,
    is_closed: bool,
    /// True if the thread has ended.
    is_finished: bool,
    /// Number of writes to the output.
    writes: u64,
}

impl LogWriter {
    /// Starts the thread that writes to `output`.
    ///
    /// # Errors
    /// Returns the operating system's error if it starts no thread.
    pub(crate) fn start(output: Box<dyn Write + Send>) -> io::Result<Self> {
        let (wake, progress) = (Condvar::new(), Condvar::new());
        let shared = Arc::new(Shared { queue: Mutex::default(), wake, progress, output: Mutex::new(output) });
        let writing = Arc::clone(&shared);
        thread::Builder::new().name("logs".to_owned()).spawn(move || writing.write_batches())?;
        Ok(Self(shared))
    }

    /// Writes all queued lines and ends the thread. Gives up if the output accepts nothing for a second.
    pub(crate) fn close(&self) {
        let mut queue = self.0.queue();
        queue.is_closed = true;
        self.0.wake.notify_one();
        while !queue.is_finished {
            let writes = queue.writes;
            let is_stalled = |queue: &mut Queue| !queue.is_finished && queue.writes == writes;
            let waited = self.0.progress.wait_timeout_while(queue, STALL, is_stalled);
            let (after, waited) = waited.unwrap_or_else(PoisonError::into_inner);
            if waited.timed_out() {
                return;
            }
            queue = after;
        }
    }

    /// Returns the number of lines that were dropped because the queue was full.
    pub(crate) fn dropped_lines(&self) -> usize {
        self.0.queue().dropped
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing panics while it is held, except for lack of memory.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, line: &[u8], is_urgent: bool) {
        let mut queue = self.queue();
        let before = queue.lines.len();
        if queue.is_finished {
            drop(queue);
            // A line that comes after the end, when no thread is left that would write it.
            if let Ok(mut output) = self.output.try_lock() {
                let _ = output.write_all(line);
            }
            return;
        }
        if before + line.len() > QUEUE_MAX {
            queue.dropped += 1;
            return;
        }
        queue.lines.extend_from_slice(line);
        queue.is_urgent |= is_urgent;
        // Once for each batch rather than for each line: waking a thread costs more than formatting a line.
        let is_full = before < BATCH && queue.lines.len() >= BATCH;
        drop(queue);
        if before == 0 || is_urgent || is_full {
            self.wake.notify_one();
        }
    }

    fn write_batches(&self) {
        let mut batch = Vec::new();
        loop {
            let queue = self.queue();
            let is_idle = |queue: &mut Queue| queue.lines.is_empty() && !queue.is_closed;
            let queue = self.wake.wait_while(queue, is_idle).unwrap_or_else(PoisonError::into_inner);
            let may_wait =
                |queue: &mut Queue| queue.lines.len() < BATCH && !queue.is_urgent && !queue.is_closed;
            let waited = self.wake.wait_timeout_while(queue, DELAY, may_wait);
            let (mut queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if queue.lines.is_empty() {
                queue.is_finished = true;
                self.progress.notify_all();
                return;
            }
            std::mem::swap(&mut queue.lines, &mut batch);
            queue.is_urgent = false;
            drop(queue);
            self.write(&batch);
            batch.clear();
            batch.shrink_to(2 * BATCH);
        }
    }

    /// Writes in parts, so that closing can tell a slow output from one that accepts nothing.
    fn write(&self, batch: &[u8]) {
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        for part in batch.chunks(BATCH) {
            // There is no other place to report a failed output, and the next batch may succeed.
            let _ = output.write_all(part);
            self.queue().writes += 1;
            self.progress.notify_all();
        }
    }
}

impl fmt::Debug for LogWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogWriter").finish_non_exhaustive()
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = Handle<'a>;

    fn make_writer(&'a self) -> Handle<'a> {
        Handle { shared: &self.0, is_urgent: false }
    }

    /// Errors are written at once: the process may be about to crash.
    fn make_writer_for(&'a self, about: &Metadata<'_>) -> Handle<'a> {
        Handle { shared: &self.0, is_urgent: *about.level() == Level::ERROR }
    }
}

/// Adds what it is given, whole lines, to the queue.
pub(crate) struct Handle<'a> {
    shared: &'a Shared,
    is_urgent: bool,
}

impl Write for Handle<'_> {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.shared.add(lines, self.is_urgent);
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};

    /// An output that passes on what it is given, each time after a permit.
    struct Gated {
        permits: Receiver<()>,
        written: Sender<Vec<u8>>,
    }

    impl Write for Gated {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // Without a sender everything is permitted.
            let _ = self.permits.recv();
            self.written.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn gated() -> (LogWriter, Sender<()>, Receiver<Vec<u8>>) {
        let (permit, permits) = channel();
        let (written, writes) = channel();
        let writer = LogWriter::start(Box::new(Gated { permits, written })).unwrap();
        (writer, permit, writes)
    }

    #[test]
    fn line_is_written_without_further_traffic() {
        let (writer, permit, writes) = gated();
        drop(permit);
        for line in ["one\n", "two\n"] {
            writer.make_writer().write_all(line.as_bytes()).unwrap();
            assert_eq!(writes.recv().unwrap(), line.as_bytes());
        }
    }

    #[test]
    fn lines_are_written_in_batches() {
        const LINES: usize = 10_000;
        let (writer, permit, writes) = gated();
        drop(permit);
        (0..LINES).for_each(|_| writer.make_writer().write_all(b"0123456789abcdef\n").unwrap());
        writer.close();
        let batches: Vec<_> = writes.try_iter().collect();
        assert_eq!(batches.iter().map(Vec::len).sum::<usize>(), LINES * 17);
        assert!(batches.len() < LINES / 100, "{} writes of {LINES} lines", batches.len());
    }

    #[test]
    fn blocked_output_blocks_no_caller() {
        let (writer, permit, writes) = gated();
        let line = [b'x'; 1023].iter().chain(b"\n").copied().collect::<Vec<u8>>();
        let accepted = |writer: &LogWriter| {
            let sent = 3 * QUEUE_MAX / line.len();
            (0..sent).for_each(|_| writer.make_writer().write_all(&line).unwrap());
            sent - writer.dropped_lines()
        };
        let accepted = accepted(&writer);
        assert!(writer.dropped_lines() > 0, "the queue is bounded");
        drop(permit);
        writer.close();
        assert_eq!(writes.try_iter().map(|bytes| bytes.len()).sum::<usize>(), accepted * line.len());
    }

    #[test]
    fn closing_gives_up_on_blocked_output() {
        let (writer, _permit, _writes) = gated();
        writer.make_writer().write_all(b"line\n").unwrap();
        writer.close();
    }

    #[test]
    fn line_after_closing_is_written() {
        let (writer, permit, writes) = gated();
        drop(permit);
        writer.close();
        writer.make_writer().write_all(b"late\n").unwrap();
        assert_eq!(writes.recv().unwrap(), b"late\n");
    }
}
