//! Closure traits of units of work and nested transactions.

use super::Conn;
use std::future::Future;

/// An async closure over `T` whose future can be named, so that it can be required to be `Send`.
///
/// Implemented for every closure of this shape. Closures that borrow their captures (no `move`) fit.
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

/// A closure like [`Work`] that is called once.
pub trait WorkOnce<T, R>: AsyncFnOnce(T) -> R + FnOnce(T) -> <Self as WorkOnce<T, R>>::Fut {
    /// The closure's future.
    type Fut: Future<Output = R>;
}

impl<F, T, R, Fut> WorkOnce<T, R> for F
where
    F: AsyncFnOnce(T) -> R + FnOnce(T) -> Fut,
    Fut: Future<Output = R>,
{
    type Fut = Fut;
}

/// The closure of a unit of work: takes a connection and returns a `T` or an error. It runs again when the unit of work
/// is retried, so its effects outside of the database must be idempotent.
///
/// Implemented for every closure of this shape.
pub trait UnitOfWork<T, E = diesel::result::Error>:
    for<'r> Work<&'r mut Conn, Result<T, E>, Fut: Send>
    + for<'r> AsyncFn(&'r mut Conn) -> Result<T, E>
    + Send
    + Sync
{
}

impl<T, E, F> UnitOfWork<T, E> for F where
    F: for<'r> Work<&'r mut Conn, Result<T, E>, Fut: Send>
        + for<'r> AsyncFn(&'r mut Conn) -> Result<T, E>
        + Send
        + Sync
{
}

/// The closure of a nested transaction, which is called once.
///
/// Implemented for every closure of this shape.
pub trait NestedWork<T, E = diesel::result::Error>:
    for<'r> WorkOnce<&'r mut Conn, Result<T, E>, Fut: Send>
    + for<'r> AsyncFnOnce(&'r mut Conn) -> Result<T, E>
    + Send
{
}

impl<T, E, F> NestedWork<T, E> for F where
    F: for<'r> WorkOnce<&'r mut Conn, Result<T, E>, Fut: Send>
        + for<'r> AsyncFnOnce(&'r mut Conn) -> Result<T, E>
        + Send
{
}
