//! The server: one task owns every connection, so that dropping the handle closes all of them.

use crate::control::{Control, Seen, State};
use crate::routes::{self, PATH};
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

/// Time that [`Sandbox::stop`] gives running requests; a hanging one would take minutes.
const GRACE: Duration = Duration::from_secs(2);
/// Pause after a failed accept, for example without free file descriptors, so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Running sandbox. Dropping it frees the port and closes every connection at once.
#[derive(Debug)]
pub struct Sandbox {
    addr: SocketAddr,
    state: Arc<State>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

/// Starts a sandbox on `listen`; port 0 selects a free port. It accepts connections when this function returns.
///
/// # Errors
/// Returns an error if the address cannot be bound.
pub async fn start(listen: SocketAddr) -> io::Result<Sandbox> {
    let listener = TcpListener::bind(listen).await?;
    let addr = listener.local_addr()?;
    let state = Arc::new(State::default());
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(serve(listener, routes::router(Arc::clone(&state)), stopped));
    Ok(Sandbox { addr, state, stop: Some(stop), task })
}

impl Sandbox {
    /// Returns the address with the actual port.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns the value of `PIDKEY_BASE_URL` for this sandbox.
    pub fn base_url(&self) -> String {
        format!("http://{}{PATH}", self.addr)
    }

    /// Sets the behaviour, like `POST /control`.
    pub fn control(&self, control: Control) {
        self.state.set(control);
    }

    /// Returns the requests since the start.
    pub fn seen(&self) -> Seen {
        self.state.seen()
    }

    /// Stops accepting connections, gives running requests two seconds to finish, and closes all connections.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        // An error means that the task has ended already.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, router: Router, mut stopped: oneshot::Receiver<()>) {
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            _ = &mut stopped => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let service = TowerToHyperService::new(router.clone());
        let connection =
            http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection);
        connections.spawn(async move {
            // Tests disconnect in the middle of a request.
            let _ = connection.await;
        });
    }
    drop(listener);
    let _ = tokio::time::timeout(GRACE, graceful.shutdown()).await;
}
