//! Opens streams to a host. All addresses are tried with staggered starts, and the first to answer wins ("happy
//! eyeballs", RFC 8305).

use super::Target;
use super::hosts::{Host, Location, socket};
use crate::stream::Dialled;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use rand::seq::SliceRandom;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::{Instant, sleep_until};

/// Delay before the next address is tried, as recommended by RFC 8305.
const HEAD_START: Duration = Duration::from_millis(250);

/// Address of a stream. Cancel requests must go to the address of their session.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// Host name that the certificate must have.
    server_name: Arc<str>,
    address: Address,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Address::Tcp(address) => address.fmt(f),
            Address::Unix(path) => path.display().fmt(f),
        }
    }
}

impl Target {
    /// Opens a stream to `peer`, with TLS if configured.
    pub(crate) async fn dial(&self, peer: &Peer) -> io::Result<Dialled> {
        match &peer.address {
            Address::Tcp(address) => {
                let stream = self.dial_tcp(address).await?;
                match &self.tls {
                    Some(tls) => tls.secure(stream, &peer.server_name).await,
                    None => Ok(Box::new(stream)),
                }
            }
            Address::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
        }
    }

    /// Opens a TCP stream with the options of this target.
    pub(super) async fn dial_tcp(&self, address: &SocketAddr) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(address).await?;
        self.sockets.apply(&stream)?;
        Ok(stream)
    }

    /// Returns the addresses of `host`, resolving its name if necessary.
    async fn peers(&self, host: &Host) -> io::Result<Vec<Peer>> {
        let (name, addresses, port) = match &host.location {
            Location::Tcp { name, addresses, port } => (name, addresses, *port),
            Location::Unix { folder, port } => {
                let address = Address::Unix(socket(folder, *port));
                return Ok(vec![Peer { server_name: "".into(), address }]);
            }
        };
        let found: Vec<SocketAddr> = match addresses.is_empty() {
            true => lookup_host((name.as_str(), port)).await?.collect(),
            false => addresses.iter().map(|address| SocketAddr::new(*address, port)).collect(),
        };
        let server_name: Arc<str> = name.as_str().into();
        let mut peers: Vec<Peer> = Vec::new();
        for address in found.into_iter().map(Address::Tcp) {
            if peers.iter().all(|peer| peer.address != address) {
                peers.push(Peer { server_name: server_name.clone(), address });
            }
        }
        if self.is_shuffled {
            peers.shuffle(&mut rand::rng());
        }
        match peers.is_empty() {
            true => Err(io::Error::other("the name has no address")),
            false => Ok(peers),
        }
    }
}

/// Attempts at all addresses of one host. Dropping the race cancels the running attempts.
pub(crate) struct Race<'a> {
    target: &'a Target,
    host: &'a Host,
    /// Addresses that were not tried yet; `None` before name resolution.
    waiting: Option<VecDeque<Peer>>,
    running: FuturesUnordered<BoxFuture<'a, (usize, io::Result<Dialled>)>>,
    /// Addresses that were tried, with the cause of their failure.
    tried: Vec<(Peer, Option<String>)>,
    head_start: Duration,
    next_start: Instant,
}

impl<'a> Race<'a> {
    /// Creates a race without starting it.
    pub(crate) fn new(target: &'a Target, host: &'a Host) -> Self {
        Self {
            target,
            host,
            waiting: None,
            running: FuturesUnordered::new(),
            tried: Vec::new(),
            head_start: HEAD_START,
            next_start: Instant::now(),
        }
    }

    /// Returns the next stream that is ready, or `None` if there are no more addresses. Cancel safe: if the future is
    /// dropped, the next call continues.
    ///
    /// # Errors
    /// Returns the error of name resolution.
    pub(crate) async fn next(&mut self) -> io::Result<Option<(Peer, Dialled)>> {
        if self.waiting.is_none() {
            let peers = self.target.peers(self.host).await?;
            // All addresses are started within half of the limit.
            let share = self.target.connect_timeout / u32::try_from(2 * peers.len()).unwrap_or(u32::MAX);
            self.head_start = HEAD_START.min(share);
            self.waiting = Some(peers.into());
        }
        loop {
            if self.running.is_empty() && !self.start_next() {
                return Ok(None);
            }
            let has_more = self.waiting.as_ref().is_some_and(|waiting| !waiting.is_empty());
            tokio::select! {
                ended = self.running.next() => match ended {
                    Some((number, Ok(stream))) => return Ok(Some((self.tried[number].0.clone(), stream))),
                    Some((number, Err(error))) => {
                        self.tried[number].1 = Some(error.to_string());
                        self.start_next();
                    }
                    None => {}
                },
                () = sleep_until(self.next_start), if has_more => {
                    self.start_next();
                }
            }
        }
    }

    /// Starts an attempt at the next address. Returns false if there is none.
    fn start_next(&mut self) -> bool {
        let Some(peer) = self.waiting.as_mut().and_then(VecDeque::pop_front) else { return false };
        let (target, number, address) = (self.target, self.tried.len(), peer.clone());
        self.running.push(Box::pin(async move { (number, target.dial(&address).await) }));
        self.tried.push((peer, None));
        self.next_start = Instant::now() + self.head_start;
        true
    }

    /// Records that the stream to `peer` gave no session.
    pub(crate) fn note_failure(&mut self, peer: &Peer, cause: String) {
        let tried = self.tried.iter_mut().find(|(tried, _)| tried.address == peer.address);
        if let Some((_, noted)) = tried {
            *noted = Some(cause);
        }
    }

    /// Returns true if no address has responded.
    pub(crate) fn is_silent(&self) -> bool {
        self.tried.iter().all(|(_, cause)| cause.is_none())
    }

    /// Returns the cause of failure of each address, or `silence` where none is known.
    pub(crate) fn causes(&self, silence: &str) -> String {
        let causes = self.tried.iter().map(|(peer, cause)| (peer, cause.as_deref().unwrap_or(silence)));
        match self.tried.len() {
            0 => format!("the name was not resolved: {silence}"),
            1 => causes.map(|(_, cause)| cause).collect(),
            _ => causes.map(|(peer, cause)| format!("{peer}: {cause}")).collect::<Vec<_>>().join("; "),
        }
    }
}

#[cfg(test)]
mod tests;
