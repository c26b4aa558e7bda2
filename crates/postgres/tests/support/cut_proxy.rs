//! A TCP proxy that cuts a session after an exact number of bytes in one direction.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// Direction of the counted bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    ToServer,
    ToClient,
}

/// Manner in which both ends notice the cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// FIN: the forwarded bytes arrive, then the stream ends.
    Closed,
    /// RST: the stream breaks, possibly before the forwarded bytes were read.
    Reset,
    /// Silence: no byte passes in either direction until the client leaves.
    Stalled,
}

/// Treatment of connections made after the cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Afterwards {
    Refuse,
    Pass,
}

/// A cut after `bytes` bytes in one direction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) direction: Direction,
    pub(crate) bytes: usize,
    pub(crate) end: End,
}

/// A proxy between a client and a server on 127.0.0.1.
pub(crate) struct CutProxy {
    pub(crate) port: u16,
    line: Arc<Line>,
    accepting: AbortHandle,
}

#[derive(Default)]
struct Line {
    armed: Notify,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    cut: Option<Cut>,
    /// Bytes forwarded since recording began, by direction.
    watched: Option<[Vec<u8>; 2]>,
    has_cut: bool,
    refuses: bool,
}

impl CutProxy {
    /// Starts a proxy for the server on `server_port`, which forwards until a cut is armed.
    pub(crate) async fn before(server_port: u16, afterwards: Afterwards) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let (port, line) = (listener.local_addr()?.port(), Arc::<Line>::default());
        let accepting = tokio::spawn(accept(listener, server_port, afterwards, line.clone())).abort_handle();
        Ok(Self { port, line, accepting })
    }

    /// Starts recording the forwarded bytes.
    pub(crate) fn watch(&self) {
        self.line.state().watched = Some(Default::default());
    }

    /// Returns the bytes sent to the server and to the client since [`CutProxy::watch`].
    pub(crate) fn watched(&self) -> [Vec<u8>; 2] {
        self.line.state().watched.take().unwrap_or_default()
    }

    /// Returns true if the session was cut as armed.
    pub(crate) fn has_cut(&self) -> bool {
        self.line.state().has_cut
    }

    /// Arms `cut`, counted from now on. Nothing may be in flight at this moment.
    pub(crate) fn arm(&self, cut: Cut) {
        let mut state = self.line.state();
        state.cut = Some(cut);
        if cut.bytes == 0 {
            state.has_cut = true;
            self.line.armed.notify_one();
        }
    }
}

impl Drop for CutProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Line {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the number of bytes to forward, and true if the cut is due after them.
    fn pass(&self, direction: Direction, bytes: &[u8]) -> (usize, Option<End>) {
        let mut state = self.state();
        if let Some(watched) = &mut state.watched {
            watched[direction as usize].extend_from_slice(bytes);
        }
        let Some(cut) = state.cut.as_mut().filter(|cut| cut.direction == direction) else {
            return (bytes.len(), None);
        };
        let passed = cut.bytes.min(bytes.len());
        cut.bytes -= passed;
        let end = (cut.bytes == 0).then_some(cut.end);
        state.has_cut |= end.is_some();
        (passed, end)
    }

    fn has_ended(&self, afterwards: Afterwards) {
        let mut state = self.state();
        state.cut = None;
        state.refuses = afterwards == Afterwards::Refuse;
    }

    fn end(&self) -> End {
        self.state().cut.map_or(End::Closed, |cut| cut.end)
    }
}

async fn accept(listener: TcpListener, server_port: u16, afterwards: Afterwards, line: Arc<Line>) {
    while let Ok((client, _)) = listener.accept().await {
        if line.state().refuses {
            continue;
        }
        let Ok(server) = TcpStream::connect(("127.0.0.1", server_port)).await else { continue };
        let line = line.clone();
        tokio::spawn(async move {
            let (mut client, mut server) = (client, server);
            // An end that closes on its own is not a cut.
            if let Ok(Some(end)) = forward(&mut client, &mut server, &line).await {
                line.has_ended(afterwards);
                if end == End::Stalled {
                    let mut unread = [0; 1024];
                    while client.read(&mut unread).await.is_ok_and(|read| read > 0) {}
                }
                if end == End::Reset {
                    _ = client.set_zero_linger();
                    _ = server.set_zero_linger();
                }
            }
        });
    }
}

/// Forwards in both directions until an end closes (`None`) or the cut is due.
async fn forward(client: &mut TcpStream, server: &mut TcpStream, line: &Line) -> io::Result<Option<End>> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut from_client, mut from_server) = ([0; 8192], [0; 8192]);
    loop {
        let (direction, bytes) = tokio::select! {
            read = client.read(&mut from_client) => (Direction::ToServer, &from_client[..read?]),
            read = server.read(&mut from_server) => (Direction::ToClient, &from_server[..read?]),
            () = line.armed.notified() => return Ok(Some(line.end())),
        };
        if bytes.is_empty() {
            return Ok(None);
        }
        let (passed, end) = line.pass(direction, bytes);
        match direction {
            Direction::ToServer => server.write_all(&bytes[..passed]).await?,
            Direction::ToClient => client.write_all(&bytes[..passed]).await?,
        }
        if end.is_some() {
            return Ok(end);
        }
    }
}
