//! A stream whose first words must come in time.
//!
//! To tell HTTP/2 from HTTP/1 the first bytes are compared with HTTP/2's preface, and while they agree nothing is
//! decided: a client that sends nothing, or a piece of the preface, would hold its connection for ever.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// What an HTTP/2 client says first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream that fails with `TimedOut` when the protocol is still undecided after a given time.
#[derive(Debug)]
pub(super) struct Opening<S> {
    stream: S,
    /// Bytes of the preface so far, and the time left; `None` once the protocol is decided.
    undecided: Option<(usize, Pin<Box<Sleep>>)>,
}

impl<S> Opening<S> {
    /// The stream, which has `limit` from now.
    pub(super) fn new(stream: S, limit: Duration) -> Self {
        Self { stream, undecided: Some((0, Box::pin(sleep(limit)))) }
    }

    fn look_at(&mut self, fresh: &[u8]) {
        let Some((matched, _)) = &mut self.undecided else { return };
        let expected = PREFACE.iter().skip(*matched);
        let agree = fresh.iter().zip(expected).take_while(|(a, b)| a == b).count();
        *matched += agree;
        if agree < fresh.len() || *matched == PREFACE.len() {
            self.undecided = None;
        }
    }

    fn is_overdue(&mut self, context: &mut Context<'_>) -> bool {
        self.undecided.as_mut().is_some_and(|(_, left)| left.as_mut().poll(context).is_ready())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Opening<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if polled.is_pending() && self.is_overdue(context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        self.look_at(&buffer.filled()[before..]);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Opening<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
