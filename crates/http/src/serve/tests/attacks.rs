//! Tests with clients that hold connections without using them, on real sockets.

use super::*;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::routing::{MethodRouter, post};
use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Ping, PingPong};
use http_body_util::BodyExt;
use std::sync::atomic::AtomicUsize;
use tokio::net::TcpSocket;

/// Returns short deadlines, which a well-behaved client still meets.
fn short() -> ServeSettings {
    ServeSettings {
        header_timeout: SHORT,
        idle_timeout: SHORT,
        stall_timeout: SHORT,
        ..ServeSettings::default()
    }
}

/// HTTP/2 client that answers pings.
struct Http2 {
    requests: SendRequest<Bytes>,
    pings: PingPong,
    ended: JoinHandle<Result<(), h2::Error>>,
}

impl Http2 {
    async fn connect(server: &Server) -> Self {
        Self::connect_as(server, &h2::client::Builder::new()).await
    }

    async fn connect_as(server: &Server, builder: &h2::client::Builder) -> Self {
        let stream = server.connect().await;
        let (requests, mut connection) = builder.handshake(stream).await.expect("HTTP/2");
        let pings = connection.ping_pong().expect("the only one");
        Self { requests, pings, ended: tokio::spawn(connection) }
    }

    async fn get(&self, path: &str) -> Result<(StatusCode, Bytes), h2::Error> {
        get_http2(self.requests.clone(), path).await
    }

    async fn ended(self) -> Result<(), h2::Error> {
        timeout(PATIENCE, self.ended).await.expect("the server ends the connection").expect("no panic")
    }
}

/// Sends GET and returns status and body of the answer.
async fn get_http2(requests: SendRequest<Bytes>, path: &str) -> Result<(StatusCode, Bytes), h2::Error> {
    let request = Request::get(format!("http://test{path}")).body(()).expect("a request");
    let (answer, _) = requests.ready().await?.send_request(request, true)?;
    let (head, mut body) = answer.await?.into_parts();
    let mut bytes = Vec::new();
    while let Some(data) = body.data().await.transpose()? {
        body.flow_control().release_capacity(data.len())?;
        bytes.extend_from_slice(&data);
    }
    Ok((head.status, bytes.into()))
}

/// Sends GET on a new HTTP/1 connection and returns the answer.
async fn get_http1(server: &Server, path: &str) -> String {
    let mut stream = server.connect().await;
    send(&mut stream, &format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).await;
    rest(stream).await
}

/// Returns a handler whose answer is larger than all buffers.
fn large_answer() -> MethodRouter {
    get(|| async { "x".repeat(8 * 1024 * 1024) })
}

/// Reads the whole body and returns its length.
async fn count(body: Body) -> String {
    body.collect().await.map_or(0, |body| body.to_bytes().len()).to_string()
}

#[tokio::test]
async fn idle_http2_connections_are_closed_although_they_answer_pings() {
    let server = Server::start(hello(), short()).await;
    let (fresh, mut used) = (Http2::connect(&server).await, Http2::connect(&server).await);
    used.pings.ping(Ping::opaque()).await.expect("a pong");
    assert_eq!(used.get("/").await.expect("an answer").1, "hello");
    fresh.ended().await.expect("a close by GOAWAY without error");
    used.ended().await.expect("a close by GOAWAY without error");
}

#[tokio::test]
async fn idle_http1_connections_are_closed() {
    let server = Server::start(hello(), short()).await;
    let mut stream = server.connect().await;
    send(&mut stream, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(rest(stream).await.ends_with("hello"));
}

#[tokio::test]
async fn trickled_headers_are_cut_off() {
    let server = Server::start(hello(), short()).await;
    for opening in ["GET / HTTP/1.1\r\nx: ", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut stream = server.connect().await;
        send(&mut stream, opening).await;
        let trickle = async {
            while stream.write_all(b"a").await.is_ok() {
                sleep(SHORT / 10).await
            }
        };
        timeout(PATIENCE, trickle).await.expect("cut off");
    }
}

#[tokio::test]
async fn trickled_bodies_are_cut_off() {
    let server = Server::start(Router::new().route("/", post(count)), short()).await;
    let mut stream = server.connect().await;
    send(&mut stream, "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10000000\r\n\r\n").await;
    let trickle = async {
        while stream.write_all(b"a").await.is_ok() {
            sleep(SHORT / 10).await
        }
    };
    timeout(PATIENCE, trickle).await.expect("cut off");
}

#[tokio::test]
async fn pipelining_client_that_hardly_reads_is_cut_off() {
    for answer in [get(|| async {}), large_answer()] {
        let server = Server::start(Router::new().route("/", answer), short()).await;
        let (mut read, mut write) = server.connect().await.into_split();
        let pipeline = async {
            let requests = "GET / HTTP/1.1\r\nhost: x\r\n\r\n".repeat(100);
            while write.write_all(requests.as_bytes()).await.is_ok() {}
        };
        let trickle = async {
            while read.read_u8().await.is_ok() {
                sleep(SHORT).await
            }
        };
        let cut = async {
            tokio::select! { () = pipeline => {}, () = trickle => {} }
        };
        timeout(PATIENCE, cut).await.expect("cut off");
    }
}

#[tokio::test]
async fn http2_client_that_reads_no_answer_is_cut_off_although_it_sends_pings() {
    let server = Server::start(Router::new().route("/", large_answer()), short()).await;
    let mut closed_window = h2::client::Builder::new();
    closed_window.initial_window_size(0);
    let Http2 { requests, mut pings, .. } = Http2::connect_as(&server, &closed_window).await;
    let stuck = tokio::spawn(get_http2(requests.clone(), "/"));
    let pings = async { while pings.ping(Ping::opaque()).await.is_ok() {} };
    timeout(PATIENCE, pings).await.expect("cut off");
    assert!(stuck.await.expect("no panic").is_err());
}

/// Returns a router with `/health/live`, `/`, and `/wait`, which answers when `go_on` is notified.
fn service(go_on: &Arc<Notify>) -> Router {
    let go_on = Arc::clone(go_on);
    let wait = move || async move {
        go_on.notified().await;
        "waited"
    };
    hello().route("/health/live", get(|| async { "alive" })).route("/wait", get(wait))
}

fn full_at(max_connections: usize) -> ServeSettings {
    ServeSettings { max_connections, ..ServeSettings::default() }
}

async fn assert_alive(server: &Server) {
    let http1 = timeout(PATIENCE, get_http1(server, "/health/live")).await.expect("liveness in time");
    assert!(http1.starts_with("HTTP/1.1 200 ") && http1.ends_with("alive"), "{http1}");
    let http2 = async { Http2::connect(server).await.get("/health/live").await.expect("an answer") };
    let (status, body) = timeout(PATIENCE, http2).await.expect("liveness in time");
    assert_eq!((status, &body[..]), (StatusCode::OK, &b"alive"[..]));
}

#[tokio::test]
async fn new_requests_evict_idle_connections() {
    let server = Server::start(service(&Arc::default()), full_at(40)).await;
    let mut idle = Vec::new();
    for _ in 0..45 {
        idle.push(Http2::connect(&server).await);
    }
    assert_alive(&server).await;
    let answer = timeout(PATIENCE, get_http1(&server, "/")).await.expect("an answer in time");
    assert!(answer.ends_with("hello"), "{answer}");
    assert_alive(&server).await;
    let first = idle.remove(0);
    first.ended().await.expect("the one that was idle longest is closed by GOAWAY without error");
    assert!(!idle[38].ended.is_finished(), "others stay");
}

#[tokio::test]
async fn liveness_is_answered_while_every_connection_is_busy() {
    let go_on = Arc::default();
    let server = Server::start(service(&go_on), full_at(2)).await;
    let (mut first, second) = (server.connect().await, Http2::connect(&server).await);
    send(&mut first, "GET /wait HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    let second = tokio::spawn(get_http2(second.requests, "/wait"));
    assert_alive(&server).await;
    let refused = timeout(PATIENCE, get_http1(&server, "/")).await.expect("an answer in time");
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("OVERLOADED"), "{refused}");
    assert!(refused.contains("retry-after: ") && refused.contains("connection: close"), "{refused}");
    go_on.notify_waiters();
    assert!(rest(first).await.ends_with("waited"));
    assert_eq!(second.await.expect("no panic").expect("an answer").1, "waited");
}

#[tokio::test]
async fn liveness_is_answered_during_a_flood_of_silent_connections() {
    let server = Server::start(service(&Arc::default()), full_at(1)).await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(server.connect().await);
        if silent.len() % 50 == 0 {
            assert_alive(&server).await;
        }
    }
}

#[tokio::test]
async fn new_requests_evict_slow_readers() {
    let router = service(&Arc::default()).route("/large", large_answer());
    // Only an eviction closes a connection sooner than this.
    let server = Server::start(router, ServeSettings { stall_timeout: PATIENCE, ..full_at(1) }).await;
    let mut slow = server.connect().await;
    send(&mut slow, "GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await;
    slow.readable().await.expect("an answer");
    assert_alive(&server).await;
    let served = async { while !get_http1(&server, "/").await.ends_with("hello") {} };
    timeout(PATIENCE, served).await.expect("a slot");
}

#[tokio::test]
async fn one_address_cannot_take_all_slots() {
    let limit = ServeSettings { max_connections_per_address: Some(1), ..full_at(3) };
    let go_on = Arc::default();
    let server = Server::start(service(&go_on), limit).await;
    let mut first = server.connect().await;
    send(&mut first, "GET /wait HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert_alive(&server).await;
    assert!(get_http1(&server, "/").await.starts_with("HTTP/1.1 503 "));
    let elsewhere = TcpSocket::new_v4().expect("a socket");
    elsewhere.bind(([127, 0, 0, 2], 0).into()).expect("another address of this machine");
    let mut elsewhere = elsewhere.connect(server.address).await.expect("a connection");
    send(&mut elsewhere, REQUEST).await;
    assert!(rest(elsewhere).await.ends_with("hello"));
    go_on.notify_waiters();
    assert!(rest(first).await.ends_with("waited"));
    assert!(get_http1(&server, "/").await.ends_with("hello"), "its slot is free again");
}

#[tokio::test]
async fn long_request_is_not_idle() {
    let wait = || async {
        sleep(10 * SHORT).await;
        "done"
    };
    let server = Server::start(Router::new().route("/", get(wait)), short()).await;
    assert!(get_http1(&server, "/").await.ends_with("done"));
    assert_eq!(Http2::connect(&server).await.get("/").await.expect("an answer").1, "done");
}

/// Long enough for some progress on a busy machine.
const STALL: Duration = Duration::from_secs(3);

/// Eight times the minimum rate, for longer than two stall deadlines.
const SLOW: (usize, Duration, usize) = (4096, Duration::from_millis(500), 16);

fn stalling() -> ServeSettings {
    ServeSettings {
        header_timeout: SHORT,
        idle_timeout: SHORT,
        stall_timeout: STALL,
        ..ServeSettings::default()
    }
}

#[tokio::test]
async fn slow_upload_is_not_cut_off() {
    let server = Server::start(Router::new().route("/", post(count)), stalling()).await;
    let (bytes, pause, times) = SLOW;
    let mut stream = server.connect().await;
    let head = format!(
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        bytes * times
    );
    send(&mut stream, &head).await;
    for _ in 0..times {
        sleep(pause).await;
        send(&mut stream, &"x".repeat(bytes)).await;
    }
    assert!(rest(stream).await.ends_with(&(bytes * times).to_string()));
}

#[tokio::test]
async fn slow_download_is_not_cut_off() {
    let server = Server::start(Router::new().route("/", large_answer()), stalling()).await;
    let socket = TcpSocket::new_v4().expect("a socket");
    // The loopback interface would buffer megabytes.
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    let mut stream = socket.connect(server.address).await.expect("a connection");
    send(&mut stream, REQUEST).await;
    let (bytes, pause, times) = SLOW;
    let mut buffer = vec![0; bytes];
    for _ in 0..times {
        sleep(pause).await;
        stream.read_exact(&mut buffer).await.expect("an answer that goes on");
    }
    assert!(rest(stream).await.ends_with("xxx"));
}

#[tokio::test]
async fn unread_answer_is_not_buffered() {
    let made = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&made);
    let part = Bytes::from(vec![b'x'; 16 * 1024]);
    let endless = move || async move {
        Body::from_stream(futures_util::stream::repeat_with(move || {
            counted.fetch_add(part.len(), Ordering::Relaxed);
            Ok::<_, io::Error>(part.clone())
        }))
    };
    let server = Server::start(Router::new().route("/", get(endless)), short()).await;
    let mut stream = server.connect().await;
    send(&mut stream, REQUEST).await;
    let cut = async {
        while stream.write_all(b"a").await.is_ok() {
            sleep(SHORT / 10).await
        }
    };
    timeout(PATIENCE, cut).await.expect("cut off");
    assert!(made.load(Ordering::Relaxed) < 1024 * 1024, "{made:?} bytes");
}
