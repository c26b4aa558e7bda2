//! Listeners that act as servers which refuse, stay silent or respond late.

use anyhow::Result;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use steadfast_postgres::tokio_postgres::Config;
use tokio::net::{TcpListener, TcpStream};

/// Returns a port on 127.0.0.1 without a listener.
pub(crate) async fn refusing_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0").await?.local_addr()?.port())
}

/// Accepts connections and never sends anything.
pub(crate) struct SilentServer {
    port: u16,
    accepted: Arc<AtomicUsize>,
}

impl SilentServer {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (port, accepted) = (listener.local_addr()?.port(), Arc::new(AtomicUsize::new(0)));
        let count = accepted.clone();
        tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                held.push(stream);
                count.fetch_add(1, SeqCst);
            }
        });
        Ok(Self { port, accepted })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Returns the number of connections accepted so far.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(SeqCst)
    }
}

/// A proxy that delays each connection before forwarding its first byte.
pub(crate) struct SlowServer {
    port: u16,
    behind: u16,
}

impl SlowServer {
    /// Starts a proxy for the server of `url`.
    pub(crate) async fn start(url: &str, delay: Duration) -> Result<Self> {
        let behind = url.parse::<Config>()?.get_ports()[0];
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    let mut server = TcpStream::connect(("127.0.0.1", behind)).await?;
                    tokio::io::copy_bidirectional(&mut client, &mut server).await
                });
            }
        });
        Ok(Self { port, behind })
    }

    /// Returns `url` through this proxy.
    pub(crate) fn url(&self, url: &str) -> String {
        url.replace(&format!(":{}/", self.behind), &format!(":{}/", self.port))
    }
}
