//! A load generator of little cost: one thread, HTTP/1.1 on connections that stay open, one request at a time on each.

use crate::data::Data;
use crate::servers::Server;
use anyhow::{Context as _, Result, ensure};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Connections of the load generator, as many as issue 12 and `wrk -c 32` use.
pub(crate) const CONNECTIONS: usize = 32;

/// Requests to send to one server.
pub(crate) struct Target<'a> {
    pub(crate) name: &'static str,
    pub(crate) server: &'a Server,
    requests: Arc<[Vec<u8>]>,
}

impl<'a> Target<'a> {
    /// Requests for one path.
    pub(crate) fn one(name: &'static str, server: &'a Server, path: &str) -> Self {
        Self { name, server, requests: Arc::new([request(path, "")]) }
    }

    /// Look-ups of all codes in turn, with a key.
    pub(crate) fn codes(server: &'a Server, data: &Data) -> Self {
        let requests = data.codes.iter().map(|code| request(&format!("/api/v1/code/{code}"), &data.key));
        Self { name: server.name, server, requests: requests.collect() }
    }

    /// Sends requests for a while. Returns their number and the time that they took.
    pub(crate) fn load(&self, time: Duration) -> Result<(u64, Duration)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let began = Instant::now();
        let until = began + time;
        let count = runtime.block_on(async {
            let mut tasks = tokio::task::JoinSet::new();
            for number in 0..CONNECTIONS {
                let requests = Arc::clone(&self.requests);
                tasks.spawn(keep_asking(self.server.port, requests, number * 7, until));
            }
            let mut count = 0;
            while let Some(done) = tasks.join_next().await {
                count += done??;
            }
            anyhow::Ok(count)
        })?;
        Ok((count, began.elapsed()))
    }

    /// Sends `count` requests one after another on one connection.
    pub(crate) fn send(&self, count: usize) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let (mut stream, mut answer) =
                (TcpStream::connect(("127.0.0.1", self.server.port)).await?, Vec::new());
            for request in self.requests.iter().cycle().take(count) {
                exchange(&mut stream, request, &mut answer).await?;
            }
            Ok(())
        })
    }

    /// Returns the body of the answer to one request for `path`.
    pub(crate) fn body(server: &Server, path: &str, key: &str) -> Result<Vec<u8>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut stream = TcpStream::connect(("127.0.0.1", server.port)).await?;
            let mut answer = Vec::new();
            let body = exchange(&mut stream, &request(path, key), &mut answer).await?;
            Ok(answer.split_off(body))
        })
    }
}

fn request(path: &str, key: &str) -> Vec<u8> {
    let key = if key.is_empty() { String::new() } else { format!("X-API-Key: {key}\r\n") };
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{key}\r\n").into_bytes()
}

async fn keep_asking(port: u16, requests: Arc<[Vec<u8>]>, first: usize, until: Instant) -> Result<u64> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let (mut count, mut answer) = (0, Vec::with_capacity(64 * 1024));
    for number in first.. {
        if Instant::now() >= until {
            break;
        }
        exchange(&mut stream, &requests[number % requests.len()], &mut answer).await?;
        count += 1;
    }
    Ok(count)
}

/// Sends one request and reads its answer. Returns where the body begins.
async fn exchange(stream: &mut TcpStream, request: &[u8], answer: &mut Vec<u8>) -> Result<usize> {
    stream.write_all(request).await?;
    answer.clear();
    loop {
        ensure!(stream.read_buf(answer).await? > 0, "the server closed the connection");
        let Some(body) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").map(|at| at + 4) else {
            continue;
        };
        let head = std::str::from_utf8(&answer[..body])?;
        ensure!(head.starts_with("HTTP/1.1 200"), "{}", String::from_utf8_lossy(answer));
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.context("an answer without length")?.parse()?;
        while answer.len() < body + length {
            ensure!(stream.read_buf(answer).await? > 0, "the server closed the connection");
        }
        return Ok(body);
    }
}
