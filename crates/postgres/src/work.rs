//! The shape of a unit of work's closure: async, called perhaps more than once, its future sendable.

use crate::Conn;
use diesel::QueryResult;
use std::future::Future;

/// An async closure over `T` whose future can be named, so that it can be required to be `Send`.
///
/// Implemented for every closure of the right shape. Closures that borrow their captures (no `move`) fit.
pub trait Work<T, R>: AsyncFn(T) -> R + Fn(T) -> <Self as Work<T, R>>::Fut {
    /// The closure's future.
    type Fut: Future<Output = R>;
}

impl<F, T, R, Fut> Work<T, R> for F
where
    F: AsyncFn(T) -> R + Fn(T) -> Fut,
    Fut: Future<Output = R>,
{
    type Fut = Fut;
}

/// The closure of a unit of work, or of a piece of one: given a connection, it gives a `T`. It may run more than once.
///
/// Implemented for every closure of the right shape.
pub trait UnitOfWork<T>:
    for<'r> Work<&'r mut Conn, QueryResult<T>, Fut: Send>
    + for<'r> AsyncFn(&'r mut Conn) -> QueryResult<T>
    + Send
    + Sync
{
}

impl<T, F> UnitOfWork<T> for F where
    F: for<'r> Work<&'r mut Conn, QueryResult<T>, Fut: Send>
        + for<'r> AsyncFn(&'r mut Conn) -> QueryResult<T>
        + Send
        + Sync
{
}
