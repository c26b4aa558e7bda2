//! Servers that are there and say nothing: every caller has its answer in time, and it says how long they are silent.

#[path = "support/load.rs"]
mod load;

use anyhow::{Result, bail};
use futures_util::future::try_join_all;
use load::{Load, errors, length, look, percentile_99, recovery};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};
use steadfast_postgres::diesel::QueryResult;
use steadfast_postgres::diesel_async::SimpleAsyncConnection;
use steadfast_postgres::resilience::{Class, Classify};
use steadfast_postgres::{CloseReason, Conn, Db, DbSettings, Operation, PoolSettings};
use steadfast_testkit::Server;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{block_in_place, spawn_blocking};

const DEADLINE: Duration = Duration::from_secs(1);
const READ: Operation = Operation::read("meadow.look").deadline(DEADLINE);
const HURRIED: Operation = Operation::read("meadow.glance").deadline(Duration::from_millis(20));
/// Longer than a session is trusted without a question.
const RESTED: Duration = Duration::from_millis(700);
const SLACK: Duration = Duration::from_millis(100);
const CALLERS: usize = 50;

fn pool_of_ten(url: &str) -> Result<Db> {
    Ok(Db::new(url, DbSettings { pool: PoolSettings::sized(10, 0), ..DbSettings::default() })?)
}

async fn nap(conn: &mut Conn) -> QueryResult<()> {
    conn.batch_execute("SELECT pg_sleep(0.3)").await
}

/// The seconds of silence that an error's text tells.
fn silence_in(text: &str) -> Option<Duration> {
    let (_, after) = text.split_once("no answer from the server for ")?;
    let (seconds, _) = after.split_once(" s")?;
    seconds.parse().ok().map(Duration::from_secs_f64)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_keeps_nobody_beyond_the_deadline_and_its_silence_is_told() -> Result<()> {
    let server = spawn_blocking(Server::private).await??;
    let db = pool_of_ten(&server.url("postgres"))?;
    let load = Load::start(&db, &READ, CALLERS, Duration::from_millis(20));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let freezing = Instant::now();
    block_in_place(|| server.freeze())?;
    let frozen = Instant::now();
    tokio::time::sleep(length(Duration::from_secs(4), Duration::from_secs(10))).await;
    let thawed = Instant::now();
    block_in_place(|| server.thaw())?;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let calls = load.stop().await;

    let longest = calls.iter().map(|call| call.took).max().unwrap_or_default();
    let p99 = percentile_99(errors(&calls).map(|(call, ..)| call.took));
    let (served, last_error) = recovery(&calls, CALLERS, thawed);
    let state = db.health().pool;
    let (abandoned, dead) = (state.closed_for(CloseReason::Abandoned), state.closed_for(CloseReason::Dead));
    println!(
        "frozen: {} errors, longest wait {longest:?}, p99 of errors {p99:?}; after the thaw all served {served:?}, \
         last error {last_error:?}; opened {}, abandoned {abandoned}, dead {dead}",
        errors(&calls).count(),
        state.opened,
    );
    assert!(longest <= DEADLINE + SLACK, "a caller waited {longest:?}");
    assert!(errors(&calls).all(|(call, ..)| call.ended() > frozen));
    for (call, class, text) in errors(&calls) {
        assert!(matches!(class, Class::Timeout | Class::Unavailable), "{class:?}: {text}");
        let told = silence_in(text).unwrap_or_else(|| panic!("no silence in: {text}"));
        let until = call.ended().min(thawed);
        // Who waited in the queue can answer for its own wait alone, all others for nearly the whole silence.
        let least = (until - frozen.max(call.began)).max((until - frozen).saturating_sub(DEADLINE));
        let (least, most) = (least.saturating_sub(SLACK), call.ended() - freezing + SLACK);
        assert!((least..=most).contains(&told), "silent for {least:?} to {most:?}, but: {text}");
    }
    assert!(
        served.max(last_error) <= Duration::from_millis(500),
        "served {served:?}, last error {last_error:?}"
    );
    // One that had rested is asked for a sign of life first, and is dead then.
    assert_eq!(abandoned + dead, 10, "each hung connection is retired, once");
    assert!(abandoned > 0);
    assert_eq!((state.open, state.checked_out), (10, 0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn caller_with_little_time_closes_no_session() -> Result<()> {
    let server = spawn_blocking(Server::private).await??;
    let settings = DbSettings { pool: PoolSettings::sized(5, 0), ..DbSettings::default() };
    let db = Db::new(&server.url("postgres"), settings)?;
    let read_all = || async { try_join_all((0..5).map(|_| db.read(&READ, nap))).await };
    while db.health().pool.opened < 5 {
        read_all().await?;
    }
    let before = db.health().pool;
    // Then each session is asked for a sign of life before it is handed out.
    tokio::time::sleep(RESTED).await;
    block_in_place(|| server.freeze())?;
    let hurried = db.read(&HURRIED, look).await;
    let dropped = tokio::time::timeout(Duration::from_millis(20), db.read(&READ, look)).await;
    block_in_place(|| server.thaw())?;
    hurried.expect_err("the server is frozen");
    dropped.expect_err("the server is frozen");
    read_all().await?;
    let after = db.health().pool;
    assert_eq!((after.opened, after.closed), (before.opened, before.closed));
    Ok(())
}

/// What a caller is told by a server at `port` that never answers, and how long that took.
async fn ask_silence(port: u16) -> Result<()> {
    let db = pool_of_ten(&format!("postgres://app@127.0.0.1:{port}/d"))?;
    let silent_since = Instant::now();
    for caller in 0..6 {
        let began = Instant::now();
        let Err(error) = db.read(&READ, look).await else { bail!("somebody answers") };
        assert!(began.elapsed() <= DEADLINE + SLACK, "caller {caller} waited {:?}", began.elapsed());
        assert_eq!(error.class(), Class::Unavailable, "caller {caller}: {error}");
        let really = silent_since.elapsed();
        let Some(told) = silence_in(&error.to_string()) else { bail!("no silence in: {error}") };
        let nearly = really.saturating_sub(2 * SLACK)..=really + SLACK;
        assert!(nearly.contains(&told), "silent for {really:?}, but: {error}");
    }
    assert!(!db.health().is_connected());
    assert_eq!((db.health().pool.open, db.health().pool.checked_out), (0, 0));
    Ok(())
}

#[tokio::test]
async fn a_listener_that_never_answers_is_a_silent_server() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        let mut taken = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            taken.push(stream);
        }
    });
    ask_silence(port).await
}

#[tokio::test]
async fn a_listener_whose_queue_is_full_is_a_silent_server() -> Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.bind("127.0.0.1:0".parse()?)?;
    let never_accepts = socket.listen(1)?;
    let address = never_accepts.local_addr()?;
    let mut queued = Vec::new();
    while let Ok(stream) = tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await
    {
        queued.push(stream?);
    }
    ask_silence(address.port()).await
}

#[tokio::test]
async fn a_server_that_answers_again_after_a_black_hole_is_found_by_the_first_attempt_that_it_hears()
-> Result<()> {
    let server = spawn_blocking(Server::private).await??;
    let proxied = server.port();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let (open, mut is_open) = tokio::sync::watch::channel(false);
    let heard = Arc::new(AtomicUsize::new(0));
    let hears = heard.clone();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let answers = *is_open.borrow_and_update();
            hears.fetch_add(usize::from(answers), SeqCst);
            tokio::spawn(async move {
                if !answers {
                    return std::future::pending().await;
                }
                let mut server = TcpStream::connect(("127.0.0.1", proxied)).await?;
                tokio::io::copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    let db = pool_of_ten(&format!("postgres://postgres@127.0.0.1:{port}/postgres"))?;
    for _ in 0..5 {
        db.read(&READ, look).await.expect_err("nobody answers");
    }
    open.send_replace(true);
    let back = Instant::now();
    while db.read(&READ, look).await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    println!("found {:?} after the black hole", back.elapsed());
    assert_eq!(heard.load(SeqCst), 1, "attempts that were heard");
    // An attempt that went into the hole runs into its limit of two seconds first.
    assert!(back.elapsed() < Duration::from_millis(2500), "found after {:?}", back.elapsed());
    Ok(())
}
