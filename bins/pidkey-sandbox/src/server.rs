//! The listener: one task that owns every connection, so that dropping the handle ends all of them.

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

/// How long [`Sandbox::stop`] waits for answers under way; one that hangs by command would wait for minutes.
const GRACE: Duration = Duration::from_secs(2);
/// A pause after a failed accept (no file descriptors left, say), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A running stand-in. Dropped, it stops at once: the port is free and every connection is closed.
#[derive(Debug)]
pub struct Sandbox {
    addr: SocketAddr,
    state: Arc<State>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

/// Starts a stand-in on `listen`; port 0 takes a free one. It answers once this returns.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn start(listen: SocketAddr) -> io::Result<Sandbox> {
    let listener = TcpListener::bind(listen).await?;
    let addr = listener.local_addr()?;
    let state = Arc::new(State::default());
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(serve(listener, routes::router(Arc::clone(&state)), stopped));
    Ok(Sandbox { addr, state, stop: Some(stop), task })
}

impl Sandbox {
    /// Where it listens, the port filled in.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What `PIDKEY_BASE_URL` has to be to meet this instead of PIDKey.com.
    pub fn base_url(&self) -> String {
        format!("http://{}{PATH}", self.addr)
    }

    /// Answers from now on as `control` says, as by `POST /control`.
    pub fn control(&self, control: Control) {
        self.state.set(control);
    }

    /// What has been seen so far.
    pub fn seen(&self) -> Seen {
        self.state.seen()
    }

    /// Takes no more connections and gives answers under way two seconds to finish; then all is closed.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        // An error means that the task is gone, which is what was asked for.
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
            // A client that leaves in the middle is an everyday event here.
            let _ = connection.await;
        });
    }
    drop(listener);
    let _ = tokio::time::timeout(GRACE, graceful.shutdown()).await;
}
