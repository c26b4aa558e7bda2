//! An in-process server that implements just enough of PostgreSQL's protocol to hold sessions, and counts them exactly.

use anyhow::Result;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, watch};

const PORT: u16 = 5432;
const CANCEL_CODE: [u8; 4] = 80_877_102_u32.to_be_bytes();

/// The server. It stops with the runtime that it was started on.
pub(crate) struct FakeServer(Arc<State>);

struct State {
    folder: PathBuf,
    live: AtomicUsize,
    most: AtomicUsize,
    refusing: AtomicBool,
    next_session: AtomicU32,
    sleepers: Mutex<HashMap<u32, Arc<Notify>>>,
    /// Sessions opened in an earlier epoch are closed.
    age: watch::Sender<u64>,
}

impl FakeServer {
    /// Starts a server on a socket in `folder`.
    pub(crate) fn start(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let socket = folder.join(format!(".s.PGSQL.{PORT}"));
        _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(socket)?;
        let state = Arc::new(State {
            folder: folder.to_path_buf(),
            live: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            refusing: AtomicBool::new(false),
            next_session: AtomicU32::new(1),
            sleepers: Mutex::default(),
            age: watch::channel(0).0,
        });
        let accepting = state.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(accepting.clone(), stream));
            }
        });
        Ok(Self(state))
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres:///fake?host={}&port={PORT}&user=fake", self.0.folder.display())
    }

    /// Returns the number of open sessions.
    pub(crate) fn live(&self) -> usize {
        self.0.live.load(SeqCst)
    }

    /// Returns the maximum number of open sessions so far.
    pub(crate) fn most(&self) -> usize {
        self.0.most.load(SeqCst)
    }

    /// Sets whether new sessions are refused with "too many clients".
    pub(crate) fn refuse(&self, refusing: bool) {
        self.0.refusing.store(refusing, SeqCst);
    }

    /// Closes every open session.
    pub(crate) fn cut_all(&self) {
        self.0.age.send_modify(|age| *age += 1);
    }
}

/// Counts a session until it is dropped.
struct Session<'a>(&'a State);

impl<'a> Session<'a> {
    fn new(state: &'a State) -> Self {
        let live = state.live.fetch_add(1, SeqCst) + 1;
        state.most.fetch_max(live, SeqCst);
        Self(state)
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        self.0.live.fetch_sub(1, SeqCst);
    }
}

impl State {
    fn sleepers(&self) -> MutexGuard<'_, HashMap<u32, Arc<Notify>>> {
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(state: Arc<State>, mut stream: UnixStream) {
    let Ok(startup) = read_body(&mut stream).await else { return };
    if startup.starts_with(&CANCEL_CODE) {
        let session = u32::from_be_bytes(startup[4..8].try_into().unwrap_or_default());
        if let Some(sleeper) = state.sleepers().get(&session) {
            sleeper.notify_one();
        }
        return;
    }
    if state.refusing.load(SeqCst) {
        _ = stream.write_all(&error("53300", "sorry, too many clients already")).await;
        return;
    }
    // Counted until just before the stream is closed, so that a client that sees it closed sees it uncounted.
    let _stream_outlives = Session::new(&state);
    let number = state.next_session.fetch_add(1, SeqCst);
    let cancelled = Arc::new(Notify::new());
    state.sleepers().insert(number, cancelled.clone());
    let mut age = state.age.subscribe();
    tokio::select! {
        _ = converse(&mut stream, number, &cancelled) => {}
        _ = age.changed() => {}
    }
    state.sleepers().remove(&number);
}

async fn converse(stream: &mut UnixStream, number: u32, cancelled: &Notify) -> std::io::Result<()> {
    let key = [number.to_be_bytes(), [0; 4]].concat();
    let hello = [framed(b'R', &[0; 4]), framed(b'K', &key), framed(b'Z', b"I")].concat();
    stream.write_all(&hello).await?;
    let (mut status, mut answer) = (b'I', Vec::new());
    loop {
        let tag = stream.read_u8().await?;
        let body = read_body(stream).await?;
        match tag {
            b'X' => return Ok(()),
            b'P' => answer.extend(framed(b'1', b"")),
            b'D' => answer.extend([framed(b't', &[0, 0]), framed(b'n', b"")].concat()),
            b'B' => answer.extend(framed(b'2', b"")),
            b'E' => answer.extend(framed(b'C', b"SET\0")),
            b'C' => answer.extend(framed(b'3', b"")),
            b'Q' => {
                answer.extend(query(&body, &mut status, cancelled).await);
                answer.extend(framed(b'Z', &[status]));
            }
            b'S' => answer.extend(framed(b'Z', &[status])),
            _ => {}
        }
        if matches!(tag, b'Q' | b'S') {
            stream.write_all(&std::mem::take(&mut answer)).await?;
        }
    }
}

async fn query(body: &[u8], status: &mut u8, cancelled: &Notify) -> Vec<u8> {
    match body {
        b"\0" => framed(b'I', b""),
        b"SLEEP\0" => {
            cancelled.notified().await;
            error("57014", "canceling statement due to user request")
        }
        b"BEGIN\0" => {
            *status = b'T';
            framed(b'C', b"BEGIN\0")
        }
        _ => framed(b'C', b"SET\0"),
    }
}

async fn read_body(stream: &mut UnixStream) -> std::io::Result<Vec<u8>> {
    let length = stream.read_u32().await?.saturating_sub(4);
    let mut body = vec![0; length as usize];
    stream.read_exact(&mut body).await?;
    Ok(body)
}

fn error(sqlstate: &str, message: &str) -> Vec<u8> {
    framed(b'E', format!("SERROR\0VERROR\0C{sqlstate}\0M{message}\0\0").as_bytes())
}

fn framed(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32 + 4).to_be_bytes();
    [&[tag], &length[..], body].concat()
}
