//! Tests of dialling several addresses, and of socket options.

use super::super::SessionSettings;
use super::*;
use crate::connect;
use socket2::SockRef;
use std::net::{IpAddr, Ipv4Addr};
use steadfast_testkit::Server;
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::timeout;

/// Time limit that even an overloaded machine meets.
const PATIENCE: Duration = Duration::from_secs(20);

const FIRST: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const SECOND: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// Returns a target whose host resolves to these addresses.
fn target(port: u16, addresses: &[Ipv4Addr], query: &str) -> Target {
    let url = format!("postgres://postgres@harbour:{port}/postgres?sslmode=disable&{query}");
    let mut target = Target::new(&url, &SessionSettings::default()).expect("a target");
    let addresses = addresses.iter().map(|address| IpAddr::V4(*address)).collect();
    target.hosts[0].location = Location::Tcp { name: "harbour".to_owned(), addresses, port };
    target
}

/// Returns a listener with a full queue, which accepts no connection, and the connections that fill it.
async fn black_hole(address: Ipv4Addr, port: u16) -> (TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind((address, port).into()).expect("a free port");
    let listener = socket.listen(1).expect("a listener");
    let mut queued = Vec::new();
    while let Ok(stream) = timeout(Duration::from_secs(1), TcpStream::connect((address, port))).await {
        queued.push(stream.expect("a connection"));
    }
    (listener, queued)
}

#[tokio::test]
async fn black_holed_address_does_not_delay_the_next_one() {
    let server = tokio::task::spawn_blocking(Server::private).await.expect("a task").expect("a server");
    let _hole = black_hole(FIRST, server.port()).await;
    let target = target(server.port(), &[FIRST, SECOND], "connect_timeout=15");
    let began = Instant::now();
    let session = timeout(PATIENCE, connect::open(&target)).await.expect("in time").expect("a session");
    assert_eq!(session.peer.to_string(), format!("127.0.0.1:{}", server.port()));
    // Sequential attempts would take the whole limit.
    assert!(began.elapsed() < Duration::from_secs(10), "connected after {:?}", began.elapsed());
}

#[tokio::test]
async fn refused_address_is_followed_immediately() {
    let listener = TcpListener::bind((SECOND, 0)).await.expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    let target = target(port, &[FIRST, SECOND], "connect_timeout=1");
    let mut race = Race::new(&target, &target.hosts[0]);
    let (peer, _stream) = race.next().await.expect("a look-up").expect("a stream");
    assert_eq!(peer.to_string(), format!("127.0.0.1:{port}"));
    let causes = race.causes("no answer");
    assert!(causes.starts_with(&format!("127.0.0.2:{port}: Connection refused")), "{causes}");
    assert!(causes.ends_with(&format!("; 127.0.0.1:{port}: no answer")), "{causes}");
    assert!(race.next().await.expect("a look-up").is_none(), "there are no more addresses");
}

#[tokio::test]
async fn all_addresses_are_tried_within_the_limit() {
    let (_hole, port) = {
        let port = TcpListener::bind((FIRST, 0)).await.expect("a listener").local_addr().expect("one").port();
        (black_hole(FIRST, port).await, port)
    };
    let others = (3..=20).map(|last| Ipv4Addr::new(127, 0, 0, last));
    let addresses: Vec<_> = [FIRST].into_iter().chain(others).collect();
    let target = target(port, &addresses, "connect_timeout=2");
    let mut race = Race::new(&target, &target.hosts[0]);
    _ = timeout(target.connect_timeout, race.next()).await;
    assert_eq!(race.tried.len(), addresses.len());
}

#[tokio::test]
async fn sockets_have_keepalive_and_user_timeout() {
    let listener = TcpListener::bind((SECOND, 0)).await.expect("a listener");
    let address = listener.local_addr().expect("an address");
    let dial = async |query: &str| {
        let target = target(address.port(), &[SECOND], query);
        target.dial_tcp(&address).await.expect("a stream")
    };
    let stream = dial("").await;
    let socket = SockRef::from(&stream);
    assert!(socket.keepalive().expect("an option"));
    assert_eq!(socket.tcp_keepalive_time().expect("an option"), Duration::from_secs(60));
    assert!(socket.tcp_nodelay().expect("an option"));

    let all = "keepalives_idle=7&keepalives_interval=5&keepalives_count=3&tcp_user_timeout=9000";
    let stream = dial(all).await;
    let socket = SockRef::from(&stream);
    assert_eq!(socket.tcp_keepalive_time().expect("an option"), Duration::from_secs(7));
    assert_eq!(socket.tcp_keepalive_interval().expect("an option"), Duration::from_secs(5));
    assert_eq!(socket.tcp_keepalive_retries().expect("an option"), 3);
    assert_eq!(socket.tcp_user_timeout().expect("an option"), Some(Duration::from_secs(9)));

    let stream = dial("keepalives=0").await;
    assert!(!SockRef::from(&stream).keepalive().expect("an option"));
}
