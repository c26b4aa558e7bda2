//! Tests of private Redis servers.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use steadfast_testkit::{Process, RedisServer, answers_redis};

fn say(stream: &mut TcpStream, line: &str) -> std::io::Result<String> {
    write!(stream, "{line}\r\n")?;
    let mut answer = [0; 64];
    let length = stream.read(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
}

#[test]
fn drop_stops_server() {
    let server = RedisServer::private().unwrap();
    let (address, pid) = (server.address(), i32::try_from(server.pid().unwrap()).unwrap());
    assert!(answers_redis(address));
    assert_eq!(server.url(), format!("redis://{address}"));
    drop(server);
    assert!(!answers_redis(address));
    assert_eq!(Process::new(pid).unwrap().command_line(), None);
}

#[test]
fn killed_server_restarts_empty_on_same_port() {
    let server = RedisServer::private().unwrap();
    let mut stream = TcpStream::connect(server.address()).unwrap();
    assert_eq!(say(&mut stream, "SET a 1").unwrap(), "+OK\r\n");
    server.kill().unwrap();
    assert_eq!(server.pid(), None);
    assert!(TcpStream::connect(server.address()).is_err());
    server.restart().unwrap();
    let mut stream = TcpStream::connect(server.address()).unwrap();
    assert_eq!(say(&mut stream, "GET a").unwrap(), "$-1\r\n");
}

#[test]
fn frozen_server_responds_after_thaw() {
    let server = RedisServer::private().unwrap();
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    server.freeze().unwrap();
    assert!(say(&mut stream, "PING").is_err(), "nothing responds");
    server.thaw().unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    assert!(say(&mut stream, "PING").unwrap().starts_with("+PONG"));
}

#[test]
fn stopped_server_rejects_freeze_and_ignores_stop() {
    let server = RedisServer::private().unwrap();
    server.freeze().unwrap();
    server.stop().unwrap();
    server.stop().unwrap();
    assert!(server.freeze().unwrap_err().to_string().contains("not running"));
}
