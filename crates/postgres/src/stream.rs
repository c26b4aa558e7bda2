//! Streams for sessions, and the adapter that passes a secured stream to tokio-postgres.

use std::convert::Infallible;
use std::future::{Ready, ready};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

/// A stream to the server, with TLS if required.
pub(crate) type Dialled = Box<dyn Stream>;

/// A byte stream that a session can run over.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {
    /// Returns the channel binding of the TLS session, which prevents relaying the login.
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

/// Passes a stream to tokio-postgres unchanged.
///
/// tokio-postgres would start TLS below the given stream and thus below the guard, which must be above TLS to read the
/// protocol. So TLS is set up earlier, and tokio-postgres is configured to start it without asking the server.
pub(crate) struct AlreadySecured;

impl<S: TlsStream + Unpin> TlsConnect<S> for AlreadySecured {
    type Stream = S;
    type Error = Infallible;
    type Future = Ready<Result<S, Infallible>>;

    fn connect(self, stream: S) -> Self::Future {
        ready(Ok(stream))
    }
}
