//! The streams that a session can run over, and how tokio-postgres takes one that is secured already.

use std::convert::Infallible;
use std::future::{Ready, ready};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

/// A stream to the server, with TLS where that was asked for.
pub(crate) type Dialled = Box<dyn Stream>;

/// Any byte stream that a session can run over.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {
    /// What binds a login to this TLS session, so that nobody in between can pass it on.
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl Stream for TcpStream {}
impl Stream for UnixStream {}

impl TlsStream for Box<dyn Stream + '_> {
    fn channel_binding(&self) -> ChannelBinding {
        Stream::channel_binding(&**self)
    }
}

impl TlsStream for &mut Box<dyn Stream + '_> {
    fn channel_binding(&self) -> ChannelBinding {
        Stream::channel_binding(&***self)
    }
}

/// Hands a dialled stream to tokio-postgres as it is.
///
/// tokio-postgres would ask for TLS below whatever stream it is given, and so below the guard, which has to stand above
/// it to read the protocol. So TLS is there before, and tokio-postgres is told to start it without asking the server.
pub(crate) struct AlreadySecured;

impl<S: TlsStream + Unpin> TlsConnect<S> for AlreadySecured {
    type Stream = S;
    type Error = Infallible;
    type Future = Ready<Result<S, Infallible>>;

    fn connect(self, stream: S) -> Self::Future {
        ready(Ok(stream))
    }
}
