//! Silent servers: callers fail by their deadline, and errors report the silence.

#[path = "support/load.rs"]
mod load;
#[path = "support/stolen.rs"]
mod stolen;

use anyhow::{Result, bail};
use futures_util::future::try_join_all;
use load::{Load, errors, length, look, percentile_99, recovery};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};
use steadfast_postgres::diesel::QueryResult;
use steadfast_postgres::diesel_async::SimpleAsyncConnection;
use steadfast_postgres::resilience::{Class, Classify};
use steadfast_postgres::{
    CloseReason, Conn, Db, DbSettings, Error, Operation, PoolSettings, Read, Write, tokio_postgres,
};
use steadfast_testkit::Server;
use stolen::StolenTime;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinSet, block_in_place, spawn_blocking};

const DEADLINE: Duration = Duration::from_secs(1);
const READ: Operation<Read> = Operation::read("meadow.look").deadline(DEADLINE);
const WRITE: Operation<Write> = Operation::write("meadow.plant").deadline(DEADLINE);
const HURRIED: Operation<Read> = Operation::read("meadow.glance").deadline(Duration::from_millis(20));
/// Longer than a session is used without a ping.
const RESTED: Duration = Duration::from_millis(700);
const SLACK: Duration = Duration::from_millis(100);
const CALLERS: usize = 50;

fn pool_of_ten(url: &str) -> Result<Db> {
    Ok(Db::new(url, DbSettings { pool: PoolSettings::sized(10, 0), ..DbSettings::default() })?)
}

async fn nap(conn: &mut Conn) -> QueryResult<()> {
    conn.batch_execute("SELECT pg_sleep(0.3)").await
}

/// Returns the silence that an error text reports.
fn silence_in(text: &str) -> Option<Duration> {
    let (_, after) = text.split_once("no answer from the server for ")?;
    let (seconds, _) = after.split_once(" s")?;
    seconds.parse().ok().map(Duration::from_secs_f64)
}

#[tokio::test(flavor = "multi_thread")]
async fn frozen_server_fails_callers_at_their_deadline() -> Result<()> {
    let server = spawn_blocking(Server::private).await??;
    let db = pool_of_ten(&server.url("postgres"))?;
    let (stolen, load) = (StolenTime::watch(), Load::start(&db, &READ, CALLERS, Duration::from_millis(20)));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let freezing = Instant::now();
    block_in_place(|| server.freeze())?;
    let frozen = Instant::now();
    tokio::time::sleep(length(Duration::from_secs(4), Duration::from_secs(10))).await;
    let thawed = Instant::now();
    block_in_place(|| server.thaw())?;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let calls = load.stop().await;

    let longest = calls.iter().map(|call| stolen.own(call.began, call.took)).max().unwrap_or_default();
    let p99 = percentile_99(errors(&calls).map(|(call, ..)| call.took));
    let (served, last_error) = recovery(&calls, CALLERS, thawed);
    let (served, last_error) = (stolen.own(thawed, served), stolen.own(thawed, last_error));
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
        let reported = silence_in(text).unwrap_or_else(|| panic!("no silence in: {text}"));
        let until = call.ended().min(thawed);
        // Callers in the queue report their own wait, all others nearly the whole silence.
        let least = (until - frozen.max(call.began)).max((until - frozen).saturating_sub(DEADLINE));
        let slack = SLACK + stolen.between(call.began, call.ended());
        let (least, most) = (least.saturating_sub(slack), call.ended() - freezing + SLACK);
        assert!((least..=most).contains(&reported), "silent for {least:?} to {most:?}, but: {text}");
    }
    assert!(
        served.max(last_error) <= Duration::from_millis(500),
        "served {served:?}, last error {last_error:?}"
    );
    // A session that was idle is pinged first and counted as dead.
    assert_eq!(abandoned + dead, 10, "each hung connection is retired, once");
    assert!(abandoned > 0);
    assert_eq!((state.open, state.checked_out), (10, 0));
    Ok(())
}

/// Writes a row and returns the outcome.
async fn plant(db: &Db, id: i64) -> (i64, Duration, Result<(), Error>) {
    let began = Instant::now();
    let insert = format!("INSERT INTO meadow (id) VALUES ({id})");
    let planted = db.write(&WRITE, async |conn| conn.batch_execute(&insert).await);
    (id, began.elapsed(), planted.await)
}

#[tokio::test(flavor = "multi_thread")]
async fn frozen_server_never_misreports_writes() -> Result<()> {
    let server = spawn_blocking(Server::private).await??;
    let db = pool_of_ten(&server.url("postgres"))?;
    // A trigger delays COMMIT, so that it takes half of the time of a write.
    let create = "CREATE TABLE meadow (id int8 PRIMARY KEY); \
                  CREATE FUNCTION doze() RETURNS trigger LANGUAGE plpgsql AS \
                  $$ BEGIN PERFORM pg_sleep(0.005); RETURN NULL; END $$; \
                  CREATE CONSTRAINT TRIGGER doze AFTER INSERT ON meadow DEFERRABLE INITIALLY DEFERRED \
                  FOR EACH ROW EXECUTE FUNCTION doze()";
    db.write(&WRITE, async |conn| conn.batch_execute(create).await).await?;
    let stolen = StolenTime::watch();
    let (ids, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let mut writers = JoinSet::new();
    for _ in 0..20 {
        let (db, ids, done) = (db.clone(), ids.clone(), done.clone());
        writers.spawn(async move {
            let mut reported = Vec::new();
            while !done.load(SeqCst) {
                let id = ids.fetch_add(1, SeqCst) as i64;
                let began = Instant::now();
                reported.push((began, plant(&db, id).await));
            }
            reported
        });
    }
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(700)).await;
        block_in_place(|| server.freeze())?;
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        block_in_place(|| server.thaw())?;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    done.store(true, SeqCst);
    let reported: Vec<_> = writers.join_all().await.into_iter().flatten().collect();

    let (looker, connection) =
        tokio_postgres::connect(&server.url("postgres"), tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    // Abandoned work has ended when no other session is in a transaction.
    let others = "SELECT count(*) FROM pg_stat_activity WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid() \
                  AND backend_type = 'client backend'";
    while looker.query_one(others, &[]).await?.get::<_, i64>(0) > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let rows = looker.query("SELECT id FROM meadow", &[]).await?;
    let stored: std::collections::HashSet<i64> = rows.iter().map(|row| row.get(0)).collect();
    let mut counts = [0; 3];
    for (began, (id, took, outcome)) in reported {
        let kind = match &outcome {
            Ok(()) => 0,
            Err(Error::CommitUnknown) => 1,
            Err(_) => 2,
        };
        counts[kind] += 1;
        assert!(kind != 0 || stored.contains(&id), "{id} was reported to be stored");
        assert!(kind != 2 || !stored.contains(&id), "{id} was reported not to be stored: {outcome:?}");
        let waited = stolen.own(began, took);
        assert!(waited <= DEADLINE + SLACK, "a writer waited {waited:?}");
    }
    println!("frozen writers: {} stored, {} unknown, {} not stored", counts[0], counts[1], counts[2]);
    assert!(counts.iter().all(|count| *count > 0), "not every outcome occurred: {counts:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn short_deadline_closes_no_session() -> Result<()> {
    let server = spawn_blocking(Server::private).await??;
    let settings = DbSettings { pool: PoolSettings::sized(5, 0), ..DbSettings::default() };
    let db = Db::new(&server.url("postgres"), settings)?;
    let read_all = || async { try_join_all((0..5).map(|_| db.read(&READ, nap))).await };
    while db.health().pool.opened < 5 {
        read_all().await?;
    }
    let before = db.health().pool;
    // Each session is pinged before its next use from now on.
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

/// Checks the errors of callers of a server at `port` that never answers.
async fn ask_silence(port: u16) -> Result<()> {
    let db = pool_of_ten(&format!("postgres://app@127.0.0.1:{port}/d"))?;
    let (stolen, silent_since) = (StolenTime::watch(), Instant::now());
    for caller in 0..6 {
        let began = Instant::now();
        let Err(error) = db.read(&READ, look).await else { bail!("the server answered") };
        let waited = stolen.own(began, began.elapsed());
        assert!(waited <= DEADLINE + SLACK, "caller {caller} waited {waited:?}");
        assert_eq!(error.class(), Class::Unavailable, "caller {caller}: {error}");
        let really = silent_since.elapsed();
        let Some(reported) = silence_in(&error.to_string()) else { bail!("no silence in: {error}") };
        let slack = SLACK + stolen.between(began, Instant::now());
        let nearly = really.saturating_sub(slack + SLACK)..=really + SLACK;
        assert!(nearly.contains(&reported), "silent for {really:?}, but: {error}");
    }
    assert!(!db.health().is_connected());
    assert_eq!((db.health().pool.open, db.health().pool.checked_out), (0, 0));
    Ok(())
}

#[tokio::test]
async fn listener_without_answers_is_silent_server() -> Result<()> {
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
async fn listener_with_full_queue_is_silent_server() -> Result<()> {
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
async fn first_attempt_after_black_hole_succeeds() -> Result<()> {
    let server = spawn_blocking(Server::private).await??;
    let proxied = server.port();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let (open, mut is_open) = tokio::sync::watch::channel(false);
    let answered = Arc::new(AtomicUsize::new(0));
    let counter = answered.clone();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let answers = *is_open.borrow_and_update();
            counter.fetch_add(usize::from(answers), SeqCst);
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
        db.read(&READ, look).await.expect_err("the server is silent");
    }
    open.send_replace(true);
    let (stolen, back) = (StolenTime::watch(), Instant::now());
    while db.read(&READ, look).await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    println!("found {:?} after the black hole", back.elapsed());
    assert_eq!(answered.load(SeqCst), 1, "attempts that reached the server");
    // Attempts into the black hole take their limit of two seconds first.
    let found = stolen.own(back, back.elapsed());
    assert!(found < Duration::from_millis(2500), "found after {found:?}");
    Ok(())
}
