//! Calls on a connection, counted from the first poll to the end, so that abandoned calls are noticed.

use crate::error::LISTENS;
use crate::wire::Wire;
use diesel::QueryResult;
use diesel::result::{DatabaseErrorKind, Error};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll};

/// A call that its caller may abandon. Until its request is sent, only this count shows that it exists: the library has
/// queued the request and will send it even if the caller has left.
#[derive(Debug)]
pub struct Call<'a, F> {
    work: F,
    unfinished: &'a AtomicU32,
    wire: &'a Wire,
    begun: bool,
}

impl<'a, F> Call<'a, F> {
    pub(super) fn new(unfinished: &'a AtomicU32, wire: &'a Wire, work: F) -> Self {
        Self { work, unfinished, wire, begun: false }
    }
}

impl<T, F: Future<Output = QueryResult<T>> + Unpin> Future for Call<'_, F> {
    type Output = QueryResult<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<QueryResult<T>> {
        if !self.begun {
            self.begun = true;
            self.unfinished.fetch_add(1, Relaxed);
        }
        let answer = Pin::new(&mut self.work).poll(cx);
        if answer.is_ready() {
            // An abandoned call stays counted, so the connection never becomes idle again.
            self.unfinished.fetch_sub(1, Relaxed);
            if self.wire.listens() {
                let text = Box::new(LISTENS.to_owned());
                return Poll::Ready(Err(Error::DatabaseError(DatabaseErrorKind::Unknown, text)));
            }
        }
        answer
    }
}
