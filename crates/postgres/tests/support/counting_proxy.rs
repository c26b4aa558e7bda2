//! A proxy that counts connects and concurrent openings, and can act as a dead server.

use anyhow::{Result, bail};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// ReadyForQuery with idle status.
const READY: &[u8] = b"Z\0\0\0\x05I";

/// The proxy. It stops with the runtime.
pub(crate) struct CountingProxy {
    address: SocketAddr,
    up: watch::Sender<bool>,
    connects: Arc<Mutex<Vec<Instant>>>,
    opening: Arc<Opening>,
}

/// Number of sessions being opened: accepted by the proxy and not yet ready for queries.
#[derive(Default)]
struct Opening {
    now: AtomicUsize,
    most: AtomicUsize,
}

/// Counts a session as being opened until it is dropped.
struct Opener<'a>(&'a Opening);

impl<'a> Opener<'a> {
    fn new(opening: &'a Opening) -> Self {
        opening.most.fetch_max(opening.now.fetch_add(1, SeqCst) + 1, SeqCst);
        Self(opening)
    }
}

impl Drop for Opener<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, SeqCst);
    }
}

impl CountingProxy {
    /// Starts a proxy for the server on `port`.
    pub(crate) async fn start(port: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, connects) = (listener.local_addr()?, Arc::<Mutex<Vec<Instant>>>::default());
        let (up, is_up) = watch::channel(true);
        let opening = Arc::<Opening>::default();
        let (counted, counter) = (connects.clone(), opening.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                guarded(&counted).push(Instant::now());
                tokio::spawn(pass(client, port, is_up.clone(), counter.clone()));
            }
        });
        Ok(Self { address, up, connects, opening })
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@{}/postgres", self.address)
    }

    /// Closes every connection and each new one, or lets them pass again. Returns the moment before the change, since
    /// callers can notice it before this function returns.
    pub(crate) fn set_up(&self, up: bool) -> Instant {
        let before = Instant::now();
        self.up.send_replace(up);
        before
    }

    /// Returns the number of connects between the two moments.
    pub(crate) fn connects(&self, from: Instant, to: Instant) -> usize {
        guarded(&self.connects).iter().filter(|moment| (from..to).contains(moment)).count()
    }

    /// Returns the maximum number of connects per second between the two moments.
    pub(crate) fn most_a_second(&self, from: Instant, to: Instant) -> usize {
        let moments = guarded(&self.connects).clone();
        let begins = moments.iter().filter(|moment| (from..to).contains(moment));
        begins.map(|begin| self.connects(*begin, to.min(*begin + Duration::from_secs(1)))).max().unwrap_or(0)
    }

    /// Returns the maximum number of sessions opened concurrently.
    pub(crate) fn most_opening(&self) -> usize {
        self.opening.most.load(SeqCst)
    }
}

fn guarded(connects: &Mutex<Vec<Instant>>) -> MutexGuard<'_, Vec<Instant>> {
    connects.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn pass(client: TcpStream, port: u16, mut is_up: watch::Receiver<bool>, opening: Arc<Opening>) {
    if !*is_up.borrow_and_update() {
        return;
    }
    tokio::select! {
        _ = connect(client, port, &opening) => {}
        _ = is_up.changed() => {}
    }
}

async fn connect(mut client: TcpStream, port: u16, opening: &Opening) -> Result<()> {
    let opener = Opener::new(opening);
    let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    open(&mut client, &mut server, opener).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

/// Forwards until the server is ready for queries. The session stops counting as being opened before its client is
/// notified, so that its successor is not counted together with it.
async fn open(client: &mut TcpStream, server: &mut TcpStream, opener: Opener<'_>) -> Result<()> {
    let (mut asked, mut answer) = ([0; 1024], Vec::new());
    while !answer.ends_with(READY) {
        answer.clear();
        tokio::select! {
            read = client.read(&mut asked) => match read? {
                0 => bail!("the client left"),
                count => server.write_all(&asked[..count]).await?,
            },
            read = server.read_buf(&mut answer) => match read? {
                0 => bail!("the server refused"),
                _ if answer.ends_with(READY) => {}
                _ => client.write_all(&answer).await?,
            },
        }
    }
    drop(opener);
    client.write_all(&answer).await?;
    Ok(())
}
