//! What becomes of a body that its request was answered without: it is taken in beside the answer and thrown away.
//!
//! A server that closes a connection with unread bytes resets it, and a caller that is still sending then never sees
//! the answer, whatever refused the request: no key, no such path, a wrong method, a body too large.

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::header;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// Bytes that are taken in and thrown away.
const DISCARD_MAX: usize = 16 * 1024 * 1024;

/// How long that may take.
const DISCARD_TIME: Duration = Duration::from_secs(10);

/// Returns the request with a body of which everything is taken in that is left unread, up to 16 MiB and 10 s.
pub(crate) fn take_in(request: Request) -> Request {
    if request.body().is_end_stream() {
        return request;
    }
    // Who asks for leave to send has not sent it, and an answer without leave says not to.
    let is_coming = !request.headers().contains_key(header::EXPECT);
    request.map(|body| Body::new(Unread { body, is_coming, is_over: false }))
}

/// A body that is read on in the background when it is dropped before its end.
struct Unread {
    body: Body,
    /// Whether the caller sends it, as far as is known.
    is_coming: bool,
    is_over: bool,
}

impl HttpBody for Unread {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        // The first look at a body is what gives the leave to send it.
        self.is_coming = true;
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(None | Some(Err(_))) = polled {
            self.is_over = true;
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

impl Drop for Unread {
    fn drop(&mut self) {
        let is_done = self.is_over || !self.is_coming || self.body.is_end_stream();
        // A runtime that is gone has taken its connections along.
        let Some(runtime) = Handle::try_current().ok().filter(|_| !is_done) else { return };
        let mut rest = Limited::new(std::mem::take(&mut self.body), DISCARD_MAX);
        runtime.spawn(async move {
            let all = async { while let Some(Ok(_)) = rest.frame().await {} };
            let _ = timeout(DISCARD_TIME, all).await;
        });
    }
}
