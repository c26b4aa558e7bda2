//! Something that listens where Redis should, understands its protocol, and answers what a test wants.

use std::io::{ErrorKind, Result};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What is said to one command, and how late. What follows waits for it, as it would for Redis.
pub(crate) type Answer = (Duration, &'static str);

pub(crate) const PONG: Answer = (Duration::ZERO, "+PONG\r\n");

/// The address of a server that says what `says` has for the name of each command.
pub(crate) async fn stand_in(says: impl Fn(&str) -> Answer + Clone + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("redis://{}", listener.local_addr().expect("bound"));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // It ends with the connection, however that does.
            tokio::spawn(converse(stream, says.clone()));
        }
    });
    url
}

async fn converse(stream: TcpStream, says: impl Fn(&str) -> Answer + Sync) -> Result<()> {
    // Two answers in a row would wait for each other, and with them the test.
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    loop {
        let (late, answer) = says(&command(&mut stream).await?);
        tokio::time::sleep(late).await;
        stream.write_all(answer.as_bytes()).await?;
    }
}

/// The name of the next command, which is an array of strings.
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

/// Of the array or string that follows.
async fn length(stream: &mut BufReader<TcpStream>) -> Result<usize> {
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    line.get(1..).and_then(|length| length.trim_end().parse().ok()).ok_or(ErrorKind::InvalidData.into())
}
