//! Clients that send requests one after the other, and the tally of their answers.

use anyhow::{Result, ensure};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// Time after which a request without a complete answer counts as a failed one.
const PATIENCE: Duration = Duration::from_secs(60);

/// Client with a connection that it keeps, and an API key of its own.
pub(crate) struct Client {
    sender: SendRequest<Empty<Bytes>>,
    address: SocketAddr,
    key: String,
    random: StdRng,
    /// Cursor of the previous page.
    cursor: Option<String>,
}

impl Client {
    /// Opens the connection and sends the first request, because the server limits how many keys that it does not know
    /// an address presents at once. The same `seed` gives the same requests.
    pub(crate) async fn open(address: SocketAddr, key: String, seed: u64) -> Result<Self> {
        let (sender, connection) = handshake(TokioIo::new(TcpStream::connect(address).await?)).await?;
        tokio::spawn(connection);
        let mut client = Self { sender, address, key, random: StdRng::seed_from_u64(seed), cursor: None };
        let (status, _) = client.ask().await?;
        ensure!(status == 200, "the first answer is {status}");
        Ok(client)
    }

    /// Sends requests for `time` and counts the answers. Ends early if the connection fails.
    pub(crate) async fn run(mut self, time: Duration) -> (Self, Tally) {
        let (mut tally, began) = (Tally::default(), Instant::now());
        while began.elapsed() < time {
            let sent = Instant::now();
            let answer = tokio::time::timeout(PATIENCE, self.ask()).await;
            match answer.map_err(Into::into).flatten() {
                Ok((200, _)) => tally.times.push(sent.elapsed()),
                Ok((503, true)) => tally.refused += 1,
                Ok((status, _)) => *tally.others.entry(status).or_default() += 1,
                Err(error) => {
                    tally.failures.push(format!("{error:#}"));
                    break;
                }
            }
        }
        (self, tally)
    }

    /// Sends a request. Returns the status of the answer, and true if it has `Retry-After`.
    async fn ask(&mut self) -> Result<(u16, bool)> {
        let uri = self.uri();
        let request = Request::get(uri).header(header::HOST, self.address.to_string());
        let request = request.header("x-api-key", &self.key).body(Empty::new())?;
        self.sender.ready().await?;
        let answer = self.sender.send_request(request).await?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await?.to_bytes();
        if head.status == 200 {
            let (_, rest) = std::str::from_utf8(&body)?.split_once(r#""next_cursor":""#).unzip();
            self.cursor = rest.and_then(|rest: &str| Some(rest.split_once('"')?.0.to_owned()));
        }
        Ok((head.status.as_u16(), head.headers.contains_key(header::RETRY_AFTER)))
    }

    /// Chooses the next request: in equal shares a page by number, the page after the previous one, and a search for two
    /// letters.
    fn uri(&mut self) -> String {
        let random = &mut self.random;
        let condition = match (random.random_range(0..3), self.cursor.take()) {
            (0, _) => format!("page={}", random.random_range(1..=100)),
            (1, Some(cursor)) => format!("cursor={cursor}"),
            (1, None) => "page=1".to_owned(),
            _ => format!("search={}{}", random.random_range('a'..='z'), random.random_range('a'..='z')),
        };
        format!("/api/clients?per_page=50&{condition}")
    }
}

/// Outcomes of requests.
#[derive(Default)]
pub(crate) struct Tally {
    /// Times of the answers 200.
    pub(crate) times: Vec<Duration>,
    /// Number of answers 503 with `Retry-After`.
    pub(crate) refused: u64,
    /// Numbers of other answers by status.
    pub(crate) others: BTreeMap<u16, u64>,
    /// Errors of connections.
    pub(crate) failures: Vec<String>,
}

impl Tally {
    /// Adds the outcomes of another client.
    pub(crate) fn add(&mut self, other: Self) {
        self.times.extend(other.times);
        self.refused += other.refused;
        self.failures.extend(other.failures);
        for (status, count) in other.others {
            *self.others.entry(status).or_default() += count;
        }
    }

    /// Returns the number of requests.
    pub(crate) fn sent(&self) -> u64 {
        (self.times.len() + self.failures.len()) as u64 + self.refused + self.others.values().sum::<u64>()
    }

    /// Checks that each request was served, or refused with `Retry-After`.
    pub(crate) fn ensure_clean(&self) -> Result<()> {
        ensure!(self.others.is_empty(), "other answers, with their numbers: {:?}", self.others);
        ensure!(self.failures.is_empty(), "errors of connections, such as {}", self.failures[0]);
        Ok(())
    }
}
