//! A fake Redis server, which understands the protocol and sends the responses of a test.

use std::io::{ErrorKind, Result};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Delay and text of a response. Later responses wait for it, as with Redis.
pub(crate) type Answer = (Duration, &'static str);

pub(crate) const PONG: Answer = (Duration::ZERO, "+PONG\r\n");

/// Starts a server that responds to each command with the result of `respond` for its name. Returns its URL.
pub(crate) async fn fake_redis(respond: impl Fn(&str) -> Answer + Clone + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("redis://{}", listener.local_addr().expect("bound"));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // Ends with the connection.
            tokio::spawn(converse(stream, respond.clone()));
        }
    });
    url
}

async fn converse(stream: TcpStream, respond: impl Fn(&str) -> Answer + Sync) -> Result<()> {
    // Without this, Nagle's algorithm would delay consecutive responses.
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    loop {
        let (delay, answer) = respond(&command(&mut stream).await?);
        tokio::time::sleep(delay).await;
        stream.write_all(answer.as_bytes()).await?;
    }
}

/// Reads the next command, which is an array of strings, and returns its name.
async fn command(stream: &mut BufReader<TcpStream>) -> Result<String> {
    let mut name = String::new();
    for word in 0..length(stream).await? {
        let mut text = vec![0; length(stream).await? + "\r\n".len()];
        stream.read_exact(&mut text).await?;
        if word == 0 {
            name = String::from_utf8_lossy(text.trim_ascii_end()).into_owned();
        }
    }
    Ok(name)
}

/// Reads the length of the next array or string.
async fn length(stream: &mut BufReader<TcpStream>) -> Result<usize> {
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    line.get(1..).and_then(|length| length.trim_end().parse().ok()).ok_or(ErrorKind::InvalidData.into())
}
