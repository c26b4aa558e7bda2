//! Tests of the server on real sockets: requests, limits and the drain.

use super::*;
use axum::routing::get;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

mod attacks;

/// Maximum wait of a test.
const PATIENCE: Duration = Duration::from_secs(20);

const SHORT: Duration = Duration::from_millis(100);

struct Server {
    address: SocketAddr,
    draining: Draining,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Drained>,
}

impl Server {
    async fn start(router: Router, settings: ServeSettings) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (draining, (stop, stopped)) = (Draining::default(), oneshot::channel());
        let shutdown = async {
            let _ = stopped.await;
        };
        let ended = tokio::spawn(serve(listener, router, settings, draining.clone(), shutdown));
        Self { address, draining, stop, ended }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("a connection")
    }

    async fn end(self) -> Drained {
        self.stop.send(()).expect("a running server");
        timeout(PATIENCE, self.ended).await.expect("an end in time").expect("no panic")
    }
}

fn hello() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

async fn send(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.expect("an open stream");
}

/// Reads until the server closes the connection.
async fn rest(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    // A reset closes the connection too.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut text)).await.expect("an end in time");
    String::from_utf8_lossy(&text).into_owned()
}

const REQUEST: &str = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn answers_request() {
    let server = Server::start(hello(), ServeSettings::default()).await;
    let mut stream = server.connect().await;
    send(&mut stream, REQUEST).await;
    assert!(rest(stream).await.ends_with("hello"));
    assert_eq!(server.end().await, Drained::Completely);
}

#[tokio::test]
async fn cuts_off_clients_without_whole_request() {
    let settings = ServeSettings { header_timeout: SHORT, ..ServeSettings::default() };
    let server = Server::start(hello(), settings).await;
    for text in ["", "P", "PRI * HTTP/2.0\r\n", "GET / HTTP/1.1\r\nhost:"] {
        let mut stream = server.connect().await;
        send(&mut stream, text).await;
        assert!(!rest(stream).await.contains("hello"), "{text:?}");
    }
}

#[tokio::test]
async fn request_beyond_limit_waits_for_slot() {
    let settings = ServeSettings { max_connections: 1, header_timeout: SHORT, ..ServeSettings::default() };
    let server = Server::start(hello(), settings).await;
    let silent = server.connect().await;
    let mut second = server.connect().await;
    send(&mut second, REQUEST).await;
    assert!(rest(second).await.ends_with("hello"), "served in place of the silent one");
    drop(silent);
}

#[tokio::test]
async fn drain_completes_open_request_and_accepts_nothing() {
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begun_in, go_on_in) = (Arc::clone(&begun), Arc::clone(&go_on));
    let slow = Router::new().route(
        "/",
        get(move || async move {
            begun_in.notify_one();
            go_on_in.notified().await;
            "done"
        }),
    );
    let server = Server::start(slow, ServeSettings::default()).await;
    let mut stream = server.connect().await;
    send(&mut stream, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    begun.notified().await;

    let (address, draining) = (server.address, server.draining.clone());
    assert!(!draining.has_begun());
    let ended = tokio::spawn(server.end());
    let refused = async { while TcpStream::connect(address).await.is_ok() {} };
    timeout(PATIENCE, refused).await.expect("nothing more is accepted");
    assert!(draining.has_begun());
    go_on.notify_one();
    assert!(rest(stream).await.ends_with("done"));
    assert_eq!(ended.await.expect("no panic"), Drained::Completely);
}

#[tokio::test]
async fn drain_cuts_off_requests_at_its_deadline() {
    let begun = Arc::new(Notify::new());
    let begun_in = Arc::clone(&begun);
    let stuck = Router::new().route(
        "/",
        get(move || async move {
            begun_in.notify_one();
            std::future::pending::<()>().await;
        }),
    );
    let settings = ServeSettings { drain_timeout: SHORT, ..ServeSettings::default() };
    let server = Server::start(stuck, settings).await;
    let mut stream = server.connect().await;
    send(&mut stream, REQUEST).await;
    begun.notified().await;
    assert_eq!(server.end().await, Drained::CutOff(1));
}

/// Returns a router that refuses requests in every way without reading their bodies completely.
fn refusing() -> Router {
    use crate::extract::Json;
    use crate::problem::{Code, Problem};
    use crate::route::{Access, Route};
    let take = |_: Json<serde_json::Value>| async { Problem::new(Code::NotFound) };
    crate::testing::router(vec![
        Route::post("/take", Access::Open, take),
        Route::post("/owned", Access::Scope("toys:read"), take),
        Route::post("/others", Access::Scope("toys:write"), take),
        Route::get("/read", Access::Open, || async { Problem::new(Code::NotFound) }),
    ])
}

#[tokio::test]
async fn refused_body_does_not_cost_answer() {
    let server = Server::start(refusing(), ServeSettings::default()).await;
    let length = 10 * 1024 * 1024;
    for (path, media_type, status) in [
        ("/take", "application/json", 413),
        ("/take", "text/plain", 415),
        ("/owned", "application/json", 401),
        ("/others", "application/json", 403),
        ("/nowhere", "application/json", 404),
        ("/read", "application/json", 405),
    ] {
        let mut stream = server.connect().await;
        let key = if status == 403 { crate::testing::KEY } else { "sf_unknown" };
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\ncontent-type: {media_type}\r\n\
             content-length: {length}\r\nconnection: close\r\n\r\n"
        );
        send(&mut stream, &head).await;
        send(&mut stream, &"x".repeat(length)).await;
        let answer = rest(stream).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path} {status}: {answer}");
    }
}

#[tokio::test]
async fn refused_body_is_not_requested() {
    let server = Server::start(refusing(), ServeSettings::default()).await;
    let mut stream = server.connect().await;
    let head = "POST /nowhere HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\
                connection: close\r\n\r\n";
    send(&mut stream, head).await;
    assert!(rest(stream).await.starts_with("HTTP/1.1 404 "));
}

#[test]
fn drain_outlasts_every_route() {
    let longest = crate::router::routes().iter().map(|route| route.limit).max().expect("routes");
    let end = ServeSettings::default().drain_timeout;
    assert!(longest + crate::route::GRACE < end, "{longest:?} is not over within {end:?}");
}
