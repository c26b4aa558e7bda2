//! Sandboxes, and clients with short timeouts and delays.

use anyhow::Result;
use pidkey_sandbox::Sandbox;
use std::num::NonZeroU32;
use std::time::Duration;
use steadfast_pidkey::{Client, ProductKey, Settings};
use steadfast_resilience::{Backoff, Deadline};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

pub(crate) const API_KEY: &str = "QW7ERT5YUI3OPL9KJH2GFD4SA";
pub(crate) const KEY: &str = "6NRGDKHFCFY4TF7PRWFDYBF3H";
pub(crate) const OTHER_KEY: &str = "BHJMNPQRTVWXY234678923467";

pub(crate) async fn sandbox() -> Result<Sandbox> {
    Ok(pidkey_sandbox::start(([127, 0, 0, 1], 0).into()).await?)
}

/// Returns settings with short delays and generous limits, for busy machines.
pub(crate) fn settings(base_url: impl Into<String>) -> Settings {
    Settings {
        base_url: base_url.into(),
        try_timeout: Duration::from_secs(20),
        backoff: Backoff::exponential(Duration::from_millis(10), Duration::from_millis(20)),
        requests_per_second: NonZeroU32::MIN.saturating_add(999),
        ..Settings::new(API_KEY.into())
    }
}

/// Returns settings with a short timeout per attempt.
pub(crate) fn impatient(base_url: impl Into<String>) -> Settings {
    Settings { try_timeout: Duration::from_millis(500), ..settings(base_url) }
}

pub(crate) fn client(sandbox: &Sandbox) -> Result<Client> {
    Ok(Client::new(settings(sandbox.base_url()))?)
}

pub(crate) fn keys() -> Result<[ProductKey; 2]> {
    Ok([ProductKey::parse(KEY)?, ProductKey::parse(OTHER_KEY)?])
}

/// Returns a deadline that does not matter.
pub(crate) fn later() -> Deadline {
    Deadline::after(Duration::from_secs(60))
}

/// Server that sends the same bytes to each request and closes the connection.
pub(crate) struct Raw {
    pub(crate) url: String,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Raw {
    pub(crate) async fn start(answer: &'static [u8]) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/", listener.local_addr()?);
        let task = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await?;
                // The request is one packet, and must be read before the connection is closed.
                let read = stream.read(&mut [0; 4096]).await?;
                assert!(read > 0);
                stream.write_all(answer).await?;
                stream.shutdown().await?;
            }
        });
        Ok(Self { url, task })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.task.abort();
    }
}
