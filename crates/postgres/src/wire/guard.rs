//! The protocol guard: a stream that passes all bytes through unchanged and tracks the protocol state.

use super::Wire;
use super::frames::Frames;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};
use tokio_postgres::tls::{ChannelBinding, TlsStream};

/// Maximum wait for the server to close its side of the connection.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// A stream to PostgreSQL that updates a [`Wire`]. It wraps the TLS stream if there is one.
#[derive(Debug)]
pub(crate) struct Guard<S> {
    stream: S,
    wire: Arc<Wire>,
    incoming: Frames,
    outgoing: Frames,
    /// Timer for the server's close, set after shutdown.
    close_timeout: Option<Pin<Box<Sleep>>>,
}

impl<S> Guard<S> {
    /// Wraps a stream on which nothing was sent yet.
    pub(crate) fn new(stream: S, wire: Arc<Wire>) -> Self {
        Self {
            stream,
            wire,
            incoming: Frames::from_server(),
            outgoing: Frames::to_server(),
            close_timeout: None,
        }
    }
}

impl<S: TlsStream + Unpin> TlsStream for Guard<S> {
    fn channel_binding(&self) -> ChannelBinding {
        self.stream.channel_binding()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        let result = ready!(Pin::new(&mut this.stream).poll_read(cx, buf));
        let bytes = &buf.filled()[before..];
        if bytes.is_empty() || result.is_err() {
            this.wire.close();
        }
        this.wire.on_received(bytes, &mut this.incoming, Instant::now());
        Poll::Ready(result)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guard<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let written = ready!(Pin::new(&mut this.stream).poll_write(cx, buf));
        match &written {
            Ok(count) => this.wire.on_sent(&buf[..*count], &mut this.outgoing, Instant::now()),
            Err(_) => this.wire.close(),
        }
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Completes when the server has closed its side too, so that the session has ended and a new one does not exceed
    /// the server's connection limit.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.close_timeout.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        }
        let close_timeout = this.close_timeout.get_or_insert_with(|| Box::pin(sleep(CLOSE_TIMEOUT)));
        if close_timeout.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        let mut scratch = [0; 256];
        loop {
            let mut unread = ReadBuf::new(&mut scratch);
            let read = ready!(Pin::new(&mut this.stream).poll_read(cx, &mut unread));
            if read.is_err() || unread.filled().is_empty() {
                this.wire.close();
                return Poll::Ready(Ok(()));
            }
        }
    }
}
