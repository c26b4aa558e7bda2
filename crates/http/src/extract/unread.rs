//! Unread bodies: they are received in the background and discarded.
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

/// Maximum number of bytes that are received and discarded.
const DISCARD_MAX: usize = 16 * 1024 * 1024;

/// Maximum time for that.
const DISCARD_TIME: Duration = Duration::from_secs(10);

/// Returns the request with a body whose unread rest is received and discarded, up to 16 MiB and 10 s.
pub(crate) fn take_in(request: Request) -> Request {
    if request.body().is_end_stream() {
        return request;
    }
    // A client that waits for `100 Continue` has not sent the body, and an answer without it tells the client not to.
    let is_coming = !request.headers().contains_key(header::EXPECT);
    request.map(|body| Body::new(Unread { body, is_coming, is_over: false }))
}

/// A body that is read on in the background when it is dropped before its end.
struct Unread {
    body: Body,
    /// True if the caller is known to send it.
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
        // The first poll sends `100 Continue`.
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
        // Without a runtime there are no connections.
        let Some(runtime) = Handle::try_current().ok().filter(|_| !is_done) else { return };
        let mut rest = Limited::new(std::mem::take(&mut self.body), DISCARD_MAX);
        runtime.spawn(async move {
            let all = async { while let Some(Ok(_)) = rest.frame().await {} };
            let _ = timeout(DISCARD_TIME, all).await;
        });
    }
}
