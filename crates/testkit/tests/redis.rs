//! A private Redis server and what can be done to it.

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
fn a_server_answers_and_is_gone_with_its_value() {
    let server = RedisServer::private().unwrap();
    let (address, pid) = (server.address(), i32::try_from(server.pid().unwrap()).unwrap());
    assert!(answers_redis(address));
    assert_eq!(server.url(), format!("redis://{address}"));
    drop(server);
    assert!(!answers_redis(address));
    assert_eq!(Process::new(pid).unwrap().command_line(), None);
}

#[test]
fn a_killed_server_comes_back_on_the_same_port_empty() {
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
fn a_frozen_server_is_silent_and_answers_when_it_thaws() {
    let server = RedisServer::private().unwrap();
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    server.freeze().unwrap();
    assert!(say(&mut stream, "PING").is_err(), "nobody answers");
    server.thaw().unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    assert!(say(&mut stream, "PING").unwrap().starts_with("+PONG"));
}

#[test]
fn a_server_that_does_not_run_cannot_be_frozen_and_stopping_it_is_fine() {
    let server = RedisServer::private().unwrap();
    server.freeze().unwrap();
    server.stop().unwrap();
    server.stop().unwrap();
    assert!(server.freeze().unwrap_err().to_string().contains("not running"));
}
