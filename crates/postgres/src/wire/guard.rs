//! The protocol guard: a stream that passes every byte on unchanged and notes what it means.

use super::frames::Frames;
use super::{Wire, received_limit, sent_limit};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream to PostgreSQL that keeps a [`Wire`] up to date. With TLS it stands above the TLS stream.
#[derive(Debug)]
pub(crate) struct Guard<S> {
    stream: S,
    wire: Arc<Wire>,
    incoming: Frames,
    outgoing: Frames,
}

impl<S> Guard<S> {
    /// A guard over a stream on which nothing was sent yet.
    pub(crate) fn new(stream: S, wire: Arc<Wire>) -> Self {
        Self { stream, wire, incoming: Frames::from_server(), outgoing: Frames::to_server() }
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
        this.wire.heard();
        this.incoming.feed(bytes, received_limit, |tag, body| this.wire.received(tag, body));
        Poll::Ready(result)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guard<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let written = ready!(Pin::new(&mut this.stream).poll_write(cx, buf));
        match &written {
            Ok(count) => {
                this.outgoing.feed(&buf[..*count], sent_limit, |tag, body| this.wire.sent(tag, body))
            }
            Err(_) => this.wire.close(),
        }
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
