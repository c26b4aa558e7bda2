//! A proxy in front of a server: it counts who connects, and plays the dead server.

use anyhow::Result;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The proxy. It ends with the runtime.
pub(crate) struct CountingProxy {
    address: SocketAddr,
    up: watch::Sender<bool>,
    connects: Arc<Mutex<Vec<Instant>>>,
}

impl CountingProxy {
    /// A proxy for the server on `port`.
    pub(crate) async fn start(port: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, connects) = (listener.local_addr()?, Arc::<Mutex<Vec<Instant>>>::default());
        let (up, is_up) = watch::channel(true);
        let counted = connects.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                guarded(&counted).push(Instant::now());
                tokio::spawn(pass(client, port, is_up.clone()));
            }
        });
        Ok(Self { address, up, connects })
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@{}/postgres", self.address)
    }

    /// Cuts every connection and closes each new one at once; or lets them pass again. The moment before the change: a
    /// caller can learn of it sooner than this function returns.
    pub(crate) fn set_up(&self, up: bool) -> Instant {
        let before = Instant::now();
        self.up.send_replace(up);
        before
    }

    /// Connects between the two moments.
    pub(crate) fn connects(&self, from: Instant, to: Instant) -> usize {
        guarded(&self.connects).iter().filter(|moment| (from..to).contains(moment)).count()
    }

    /// The most connects within any second between the two moments.
    pub(crate) fn most_a_second(&self, from: Instant, to: Instant) -> usize {
        let moments = guarded(&self.connects).clone();
        let begins = moments.iter().filter(|moment| (from..to).contains(moment));
        begins.map(|begin| self.connects(*begin, to.min(*begin + Duration::from_secs(1)))).max().unwrap_or(0)
    }
}

fn guarded(connects: &Mutex<Vec<Instant>>) -> MutexGuard<'_, Vec<Instant>> {
    connects.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn pass(mut client: TcpStream, port: u16, mut is_up: watch::Receiver<bool>) {
    if !*is_up.borrow_and_update() {
        return;
    }
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    _ = (client.set_nodelay(true), server.set_nodelay(true));
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        _ = is_up.changed() => {}
    }
}
