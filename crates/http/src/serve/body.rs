//! Bodies that report their progress.

use super::activity::{Exchange, Turn};
use axum::body::{Body, HttpBody};
use bytes::{Buf, Bytes};
use hyper::body::{Frame, Incoming, SizeHint};
use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Request body. It is the client's turn while the server waits for more of it.
#[derive(Debug)]
pub(super) struct RequestBody {
    body: Incoming,
    turn: Turn,
}

impl RequestBody {
    pub(super) fn new(body: Incoming, exchange: Arc<Exchange>) -> Self {
        Self { body, turn: Turn::of_server(exchange) }
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        self.turn.set(polled.is_pending());
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.turn.moved(frame.data_ref().map_or(0, Bytes::len));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Body of an answer. It is the client's turn until the operating system has accepted all of it, except while the
/// handler has not produced the next part.
#[derive(Debug)]
pub(super) struct ResponseBody {
    body: Body,
    turn: Turn,
}

impl ResponseBody {
    pub(super) fn new(body: Body, exchange: Arc<Exchange>) -> Self {
        Self { body, turn: Turn::of_client(exchange) }
    }
}

impl HttpBody for ResponseBody {
    type Data = Chunk;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Chunk>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        self.turn.set(polled.is_ready());
        polled.map_ok(|frame| frame.map_data(|bytes| Chunk { bytes, turn: self.turn.another() }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Part of an answer, which hyper holds until the operating system has accepted it.
#[derive(Debug)]
pub(super) struct Chunk {
    bytes: Bytes,
    turn: Turn,
}

impl Buf for Chunk {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.bytes.chunks_vectored(slices)
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        self.turn.moved(count);
    }
}
