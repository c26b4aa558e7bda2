//! A proxy that can be switched from one server to another, like an address in a failover.

use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A TCP proxy to the current target. Switching it closes the connections to the previous target.
pub(crate) struct Switch {
    address: SocketAddr,
    target: watch::Sender<SocketAddr>,
}

impl Switch {
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let (target, current) = watch::channel(target);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // Ends with the connection.
                tokio::spawn(forward(client, current.clone()));
            }
        });
        Self { address, target }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    pub(crate) fn turn_to(&self, target: SocketAddr) {
        self.target.send_replace(target);
    }
}

async fn forward(mut client: TcpStream, mut target: watch::Receiver<SocketAddr>) -> std::io::Result<()> {
    let current = *target.borrow_and_update();
    let mut server = TcpStream::connect(current).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    tokio::select! {
        copied = tokio::io::copy_bidirectional(&mut client, &mut server) => copied.map(drop),
        _ = target.changed() => Ok(()),
    }
}
