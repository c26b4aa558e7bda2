//! Many callers during outages of the server: their errors, the pool's connects, and the time to recovery.

#[path = "support/control.rs"]
mod control;
#[path = "support/counting_proxy.rs"]
mod counting_proxy;
#[path = "support/load.rs"]
mod load;
#[path = "support/stolen.rs"]
mod stolen;

use anyhow::Result;
use control::{Control, connect_time};
use counting_proxy::CountingProxy;
use load::{Call, Load, errors, length, percentile_99, recovery};
use std::time::{Duration, Instant};
use steadfast_postgres::resilience::Class;
use steadfast_postgres::tokio_postgres::{NoTls, connect};
use steadfast_postgres::{Db, DbSettings, Operation, PoolSettings, Read};
use steadfast_testkit::{Server, StopMode};
use stolen::StolenTime;
use tokio::task::{block_in_place, spawn_blocking};

const READ: Operation<Read> = Operation::read("meadow.look");
const CALLERS: usize = 50;
const PAUSE: Duration = Duration::from_millis(20);
const FULL_RATE: Duration = Duration::from_millis(250);
const FIRST_ERROR: Duration = Duration::from_millis(50);
/// Maximum number of sessions that the pool opens concurrently.
const CONNECTING_AT_ONCE: usize = 4;
const WAIT: Duration = Duration::from_millis(100);

fn pool_of_ten(url: &str) -> Result<Db> {
    Ok(Db::new(url, DbSettings { pool: PoolSettings::sized(10, 0), ..DbSettings::default() })?)
}

/// Returns the calls that overlap the time between the two moments.
fn overlapping(calls: &[Call], from: Instant, to: Instant) -> impl Iterator<Item = &Call> {
    calls.iter().filter(move |call| call.began < to && call.ended() > from)
}

/// Measurements without the pool, to separate its share from the machine's.
struct Beside {
    stolen: StolenTime,
    control: Control,
    /// Time of the sequential connects that the pool makes when all its slots are empty.
    connecting: Duration,
}

impl Beside {
    fn watch(server: &Server) -> Self {
        let control = Control::start(&server.url("postgres"), CALLERS / 2, PAUSE);
        Self { stolen: StolenTime::watch(), control, connecting: Duration::ZERO }
    }

    /// Measures the connects while the pool makes its own.
    async fn connect(&mut self, server: &Server) -> Result<()> {
        self.connecting =
            connect_time(&server.url("postgres"), 10_usize.div_ceil(CONNECTING_AT_ONCE)).await?;
        Ok(())
    }
}

/// Asserts what holds for every outage and prints the figures. The server began to stop at `lost` and was down at
/// `gone`. Returns the time after `back` at which the last caller was served.
fn judge(
    what: &str,
    calls: &[Call],
    lost: Instant,
    gone: Instant,
    back: Instant,
    beside: &Beside,
    causes: &[&str],
) -> Duration {
    let stolen = &beside.stolen;
    let during = || errors(calls).filter(|(call, ..)| call.ended() > lost);
    let first = during().map(|(call, ..)| call.ended().saturating_duration_since(gone)).min();
    let first = stolen.own(gone, first.unwrap_or(Duration::MAX / 2));
    let waits = || overlapping(calls, lost, back).map(|call| stolen.own(call.began, call.took));
    let (p99, longest) = (percentile_99(waits()), waits().max().unwrap_or_default());
    let idlest = calls_of_the_idlest(calls, lost, back);
    let (served, last_error) = recovery(calls, CALLERS, back);
    // Slow connects on a busy machine are not the pool's fault.
    let restored = back + served.max(FULL_RATE);
    let own = |took: Duration| stolen.own(back, took).saturating_sub(beside.connecting);
    let (served, last_error) = (own(served), own(last_error));
    let count = during().count();
    // Per mille of the calls of the control group, in tenths of a second.
    let share_in_tenth = |tenth: Instant| {
        let to = tenth + Duration::from_millis(100);
        let served = calls.iter().filter(|call| call.error.is_none() && (tenth..to).contains(&call.ended()));
        1000 * served.count() / beside.control.served(tenth, to).max(1)
    };
    let shares = |from: Instant| {
        let mut shares: Vec<_> =
            (0..5).map(|n| share_in_tenth(from + Duration::from_millis(100) * n)).collect();
        shares.sort_unstable();
        shares
    };
    let (before, after) = (shares(lost - Duration::from_millis(500))[2], shares(restored)[4]);
    println!(
        "{what}: {count} errors, the first {first:?} after the loss, p99 of all waits {p99:?}, the longest {longest:?}, \
         at least {idlest} calls each; the last error {last_error:?} after the return, all served {served:?}, {after} calls for a \
         thousand of the control group, before {before}"
    );
    for (_, class, text) in during() {
        assert_eq!(class, Class::Unavailable, "{text}");
        assert!(text.contains("127.0.0.1:"), "no address in: {text}");
        assert!(causes.iter().any(|cause| text.contains(cause)), "no cause in: {text}");
    }
    assert!(errors(calls).all(|(call, ..)| call.ended() > lost), "errors before the loss");
    assert!(first <= FIRST_ERROR, "the first error came {first:?} after the loss");
    assert!(longest <= WAIT, "a caller waited {longest:?}");
    // A hanging caller makes only one call, regardless of the others.
    let expected = stolen.own(lost, back - lost).div_duration_f64(PAUSE) / 4.0;
    assert!(idlest as f64 >= expected, "a caller had {idlest} answers in {:?}", back - lost);
    assert!(last_error <= FULL_RATE, "the last error came {last_error:?} after the return");
    assert!(
        after * 10 >= before * 9,
        "{after} calls for a thousand of the control group, {before} before the loss"
    );
    served
}

/// Asserts that few sessions are opened concurrently, even if all slots are empty.
fn assert_few_at_once(proxy: &CountingProxy, allowed: usize) {
    let most = proxy.most_opening();
    assert!((1..=allowed).contains(&most), "{most} sessions were being opened at once");
}

/// Returns the number of calls completed between the two moments by the caller with the fewest.
fn calls_of_the_idlest(calls: &[Call], from: Instant, to: Instant) -> usize {
    let ended = |caller| move |call: &&Call| call.caller == caller && (from..to).contains(&call.ended());
    (0..CALLERS).map(|caller| calls.iter().filter(ended(caller)).count()).min().unwrap_or_default()
}

/// Disconnects the pool from the server for `outage`, under load.
async fn cut_off_for(outage: Duration) -> Result<()> {
    let server = spawn_blocking(Server::private).await??;
    let proxy = CountingProxy::start(server.port()).await?;
    let db = pool_of_ten(&proxy.url())?;
    let (mut beside, load) = (Beside::watch(&server), Load::start(&db, &READ, CALLERS, PAUSE));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let lost = proxy.set_up(false);
    tokio::time::sleep(outage).await;
    let back = proxy.set_up(true);
    beside.connect(&server).await?;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let calls = load.stop().await;
    let (connects, most) = (proxy.connects(lost, back), proxy.most_a_second(lost, back));
    println!(
        "cut off for {outage:?}: {connects} connects, at most {most} within a second; at most {} at once in all",
        proxy.most_opening()
    );
    let served = judge(
        "cut off",
        &calls,
        lost,
        lost,
        back,
        &beside,
        &["Connection reset by peer", "connection closed", "closed the connection"],
    );
    assert!(served <= FULL_RATE, "the last caller was served {served:?} after the return");
    assert!(most <= 5, "{most} connects within a second");
    let returning = proxy.connects(back, back + Duration::from_secs(1));
    assert!(returning <= 10 + 1, "{returning} connects for ten slots after the outage");
    // The prober connects in addition to the callers.
    assert_few_at_once(&proxy, CONNECTING_AT_ONCE + 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn recovers_from_short_outage() -> Result<()> {
    cut_off_for(Duration::from_millis(500)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn recovers_from_long_outage() -> Result<()> {
    cut_off_for(length(Duration::from_secs(3), Duration::from_secs(10))).await
}

/// Stops a real server under load, and restarts it.
async fn stop_for(mode: StopMode, outage: Duration) -> Result<()> {
    let server = spawn_blocking(Server::private).await??;
    let db = pool_of_ten(&server.url("postgres"))?;
    let (mut beside, load) = (Beside::watch(&server), Load::start(&db, &READ, CALLERS, PAUSE));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let asked = Instant::now();
    block_in_place(|| server.stop(mode))?;
    let gone = Instant::now();
    tokio::time::sleep(outage).await;
    block_in_place(|| server.restart())?;
    let back = Instant::now();
    beside.connect(&server).await?;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let calls = load.stop().await;
    let causes = ["Connection refused", "(SQLSTATE 57P0", "Connection reset by peer"];
    judge(&format!("stopped, {mode:?}"), &calls, asked, gone, back, &beside, &causes);
    assert!(errors(&calls).any(|(.., text)| text.contains("Connection refused")), "no error named the cause");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_server_refuses_connections() -> Result<()> {
    stop_for(StopMode::Immediate, length(Duration::from_secs(2), Duration::from_secs(10))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_server_refuses_connections() -> Result<()> {
    stop_for(StopMode::Fast, Duration::from_secs(1)).await
}

/// Terminates all sessions of the pool five times, under load.
async fn terminate_all_five_times(pause: Duration) -> Result<()> {
    let server = spawn_blocking(Server::private).await??;
    let proxy = CountingProxy::start(server.port()).await?;
    let db = pool_of_ten(&proxy.url())?;
    let (looker, connection) = connect(&server.url("postgres"), NoTls).await?;
    tokio::spawn(connection);
    let load = Load::start(&db, &READ, CALLERS, pause);
    tokio::time::sleep(Duration::from_millis(700)).await;
    let mut rounds = Vec::new();
    for _ in 0..5 {
        let began = Instant::now();
        let terminate =
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'steadfast'";
        let killed = looker.query(terminate, &[]).await?.len();
        tokio::time::sleep(Duration::from_millis(700)).await;
        rounds.push((killed, proxy.connects(began, Instant::now())));
    }
    let calls = load.stop().await;
    println!(
        "terminated, pause {pause:?}: (killed, connects) {rounds:?}, at most {} at once, {} calls",
        proxy.most_opening(),
        calls.len()
    );
    let reported: Vec<_> = errors(&calls).map(|(.., text)| text).collect();
    assert_eq!(reported, [""; 0], "reads are repeated");
    assert!(rounds.iter().all(|(killed, connects)| *killed == 10 && *connects <= 10), "{rounds:?}");
    assert_few_at_once(&proxy, CONNECTING_AT_ONCE);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_survive_terminated_sessions() -> Result<()> {
    terminate_all_five_times(PAUSE).await
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_survive_terminated_sessions_under_full_load() -> Result<()> {
    terminate_all_five_times(Duration::ZERO).await
}
