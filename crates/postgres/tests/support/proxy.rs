//! A proxy that can delay, hold and count connects.

use anyhow::{Result, bail};
use std::net::SocketAddr;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

/// Starts a proxy for the server of `url`. It accepts each connection immediately and forwards it when the future of
/// `opening` completes. Returns the URL of the proxy.
pub(crate) async fn proxy<F>(url: &str, opening: impl Fn() -> F + Send + 'static) -> Result<String>
where
    F: Future<Output = ()> + Send + 'static,
{
    let (login, place) = url.split_once('@').unwrap_or(("postgres://postgres", url));
    let Some((address, database)) = place.split_once('/') else { bail!("no database in {url}") };
    let server: SocketAddr = address.parse()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let way = format!("{login}@{}/{database}", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let opening = opening();
            tokio::spawn(async move {
                opening.await;
                if let Ok(mut server) = TcpStream::connect(server).await {
                    // Ends when either side closes.
                    _ = copy_bidirectional(&mut client, &mut server).await;
                }
            });
        }
    });
    Ok(way)
}
