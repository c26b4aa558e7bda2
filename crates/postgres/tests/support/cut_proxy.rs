//! A TCP proxy that cuts a session after an exact number of bytes in one direction.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// Which way the bytes go that are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    ToServer,
    ToClient,
}

/// How both ends learn of the cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// FIN: what was forwarded arrives, then the stream ends.
    Closed,
    /// RST: the stream breaks, perhaps before what was forwarded was read.
    Reset,
    /// Nothing: no byte passes any more, either way, until the client leaves.
    Stalled,
}

/// What becomes of connections that are made after the cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Afterwards {
    Refuse,
    Pass,
}

/// One cut: after `bytes` bytes have gone `way`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) way: Way,
    pub(crate) bytes: usize,
    pub(crate) end: End,
}

/// Stands between a client and a server on 127.0.0.1.
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
    /// What went over the line since it was watched, by way.
    watched: Option<[Vec<u8>; 2]>,
    has_cut: bool,
    refuses: bool,
}

impl CutProxy {
    /// A proxy to the server on `server_port`, which forwards until it is told to cut.
    pub(crate) async fn before(server_port: u16, afterwards: Afterwards) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let (port, line) = (listener.local_addr()?.port(), Arc::<Line>::default());
        let accepting = tokio::spawn(accept(listener, server_port, afterwards, line.clone())).abort_handle();
        Ok(Self { port, line, accepting })
    }

    /// Notes from now on what goes over the line.
    pub(crate) fn watch(&self) {
        self.line.state().watched = Some(Default::default());
    }

    /// What went to the server and to the client since [`CutProxy::watch`].
    pub(crate) fn watched(&self) -> [Vec<u8>; 2] {
        self.line.state().watched.take().unwrap_or_default()
    }

    /// Whether the session was cut as [`CutProxy::arm`] said.
    pub(crate) fn has_cut(&self) -> bool {
        self.line.state().has_cut
    }

    /// Cuts the session once `cut` says so, counted from now on. Nothing may be under way at this moment.
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

    /// How many of the bytes that came may go on, and whether the line ends after them.
    fn pass(&self, way: Way, bytes: &[u8]) -> (usize, Option<End>) {
        let mut state = self.state();
        if let Some(watched) = &mut state.watched {
            watched[way as usize].extend_from_slice(bytes);
        }
        let Some(cut) = state.cut.as_mut().filter(|cut| cut.way == way) else { return (bytes.len(), None) };
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
            // An end that goes away by itself is no cut.
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

/// Forwards both ways until an end closes (`None`) or the cut is due.
async fn forward(client: &mut TcpStream, server: &mut TcpStream, line: &Line) -> io::Result<Option<End>> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut from_client, mut from_server) = ([0; 8192], [0; 8192]);
    loop {
        let (way, bytes) = tokio::select! {
            read = client.read(&mut from_client) => (Way::ToServer, &from_client[..read?]),
            read = server.read(&mut from_server) => (Way::ToClient, &from_server[..read?]),
            () = line.armed.notified() => return Ok(Some(line.end())),
        };
        if bytes.is_empty() {
            return Ok(None);
        }
        let (passed, end) = line.pass(way, bytes);
        match way {
            Way::ToServer => server.write_all(&bytes[..passed]).await?,
            Way::ToClient => client.write_all(&bytes[..passed]).await?,
        }
        if end.is_some() {
            return Ok(end);
        }
    }
}
