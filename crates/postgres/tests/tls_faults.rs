//! Cut connections and cancelled callers over TLS, with a SCRAM login and rows larger than a TLS record.

#[path = "support/cut_proxy.rs"]
mod cut_proxy;
#[path = "support/steps.rs"]
mod steps;

use anyhow::{Result, ensure};
use cut_proxy::{Afterwards, Cut, CutProxy, Direction, End as LineEnd};
use futures_util::{StreamExt, TryStreamExt, stream};
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use steadfast_postgres::diesel::sql_types::{BigInt, Bool, Text};
use steadfast_postgres::diesel::{QueryResult, QueryableByName, sql_query};
use steadfast_postgres::diesel_async::RunQueryDsl;
use steadfast_postgres::tokio_postgres::{Client, NoTls, connect};
use steadfast_postgres::{Conn, Db, DbSettings, Error, Operation, PoolSettings, Read, Write, cached};
use steadfast_testkit::Server;
use steps::{End, drop_at, never_stuck};

const POST: Operation<Write> = Operation::write("letters.post").statements(2);
const POST_LONG: Operation<Write> = Operation::write("letters.post_long").statements(2);
const LOOK: Operation<Read> = Operation::read("letters.look");

/// Longer than the 16 KiB of a TLS record.
const LONG: usize = 40_000;

#[derive(QueryableByName)]
struct Letter {
    #[diesel(sql_type = Text)]
    body: String,
}

/// A server whose TCP sessions use TLS and SCRAM.
struct Office {
    server: Server,
    looker: Client,
    letters: AtomicI64,
}

impl Office {
    async fn open() -> Result<Self> {
        let server = Server::private()?;
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        server.write_data_file("server.crt", &own.cert.pem())?;
        server.write_data_file("server.key", &own.signing_key.serialize_pem())?;
        let looker = looker(&server).await?;
        looker.batch_execute("ALTER SYSTEM SET ssl = on").await?;
        let create = "CREATE ROLE clerk LOGIN PASSWORD 's3cret'; CREATE TABLE letters (id int8 PRIMARY KEY, body text); \
                      GRANT ALL ON letters TO clerk";
        looker.batch_execute(create).await?;
        let rules = std::fs::read_to_string(server.data_folder().join("pg_hba.conf"))?;
        server.write_data_file("pg_hba.conf", &format!("hostssl all clerk all scram-sha-256\n{rules}"))?;
        server.restart()?;
        let looker = self::looker(&server).await?;
        Ok(Self { server, looker, letters: AtomicI64::new(0) })
    }

    async fn db(&self, port: u16, name: &str) -> Result<Db> {
        let mut pool = PoolSettings::sized(1, 0);
        pool.session.application_name = name.to_owned();
        let url = format!("postgres://clerk:s3cret@127.0.0.1:{port}/postgres");
        let db = Db::new(&url, DbSettings { pool, ..DbSettings::default() })?;
        let is_secured = db.read(&LOOK, is_encrypted).await?;
        ensure!(is_secured, "the session is encrypted");
        Ok(db)
    }

    /// Returns the ids of the next two letters.
    fn next(&self) -> [i64; 2] {
        let first = self.letters.fetch_add(2, Relaxed);
        [first, first + 1]
    }

    async fn stored(&self, ids: [i64; 2]) -> Result<i64> {
        let sql = "SELECT count(*) FROM letters WHERE id = ANY($1)";
        Ok(self.looker.query_one(sql, &[&&ids[..]]).await?.get(0))
    }

    /// Waits until the server has finished with the sessions of `name`.
    async fn wait_for_end_of(&self, name: &str) -> Result<()> {
        let (began, sql) =
            (Instant::now(), "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1");
        while self.looker.query_one(sql, &[&name]).await?.get::<_, i64>(0) > 0 {
            ensure!(began.elapsed() < Duration::from_secs(20), "{name} still has a session");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Returns the numbers of bytes that a write sends to the server and to the client.
    async fn rehearse(&self) -> Result<[usize; 2]> {
        let proxy = CutProxy::before(self.server.port(), Afterwards::Pass).await?;
        let db = self.db(proxy.port, "rehearsal").await?;
        db.write(&POST, async |conn| post(conn, self.next(), "short").await).await?;
        proxy.watch();
        db.write(&POST, async |conn| post(conn, self.next(), "short").await).await?;
        Ok(proxy.watched().map(|bytes| bytes.len()))
    }

    /// Cuts a write of two letters; returns `None` if the write has fewer bytes.
    async fn try_cut(&self, cut: Cut) -> Result<Option<Reported>> {
        let proxy = CutProxy::before(self.server.port(), Afterwards::Refuse).await?;
        let ids = self.next();
        let name = format!("clerk-{}", ids[0]);
        let db = self.db(proxy.port, &name).await?;
        db.write(&POST, async |conn| post(conn, self.next(), "short").await).await?;
        proxy.arm(cut);
        let reported = match db.write(&POST, async |conn| post(conn, ids, "short").await).await {
            Ok(_) if !proxy.has_cut() => return Ok(None),
            Ok(_) => Reported::Done,
            Err(Error::CommitUnknown) => Reported::Unknown,
            Err(_) => Reported::NotDone,
        };
        drop(db);
        self.wait_for_end_of(&name).await?;
        let stored = self.stored(ids).await?;
        let is_true = match reported {
            Reported::Done => stored == 2,
            Reported::NotDone => stored == 0,
            Reported::Unknown => stored != 1,
        };
        ensure!(is_true, "{cut:?}: {reported:?}, and {stored} of 2 are stored");
        Ok(Some(reported))
    }
}

async fn looker(server: &Server) -> Result<Client> {
    let (client, connection) = connect(&server.url("postgres"), NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reported {
    Done,
    NotDone,
    Unknown,
}

#[derive(QueryableByName)]
struct Encrypted {
    #[diesel(sql_type = Bool)]
    ssl: bool,
}

async fn is_encrypted(conn: &mut Conn) -> QueryResult<bool> {
    let session = sql_query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
    Ok(session.get_result::<Encrypted>(conn).await?.ssl)
}

/// Stores two letters and reads them back.
async fn post(conn: &mut Conn, ids: [i64; 2], body: &str) -> QueryResult<()> {
    for id in ids {
        let insert = sql_query("INSERT INTO letters (id, body) VALUES ($1, $2) RETURNING body");
        let insert = cached(insert.bind::<BigInt, _>(id).bind::<Text, _>(body));
        insert.get_result::<Letter>(conn).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_tls_connection_never_misreports_writes() -> Result<()> {
    let office = Office::open().await?;
    let lengths = office.rehearse().await?;
    let step = if std::env::var_os("STEADFAST_LONG").is_some() { 1 } else { 7 };
    let cuts = [Direction::ToServer, Direction::ToClient].into_iter().flat_map(|direction| {
        (0..=lengths[direction as usize]).step_by(step).map(move |bytes| Cut {
            direction,
            bytes,
            end: LineEnd::Closed,
        })
    });
    let reported: Vec<Option<Reported>> =
        stream::iter(cuts).map(|cut| office.try_cut(cut)).buffer_unordered(4).try_collect().await?;
    let count = |kind| reported.iter().flatten().filter(|reported| **reported == kind).count();
    let counts = [Reported::Done, Reported::NotDone, Reported::Unknown].map(count);
    println!("over TLS: {} done, {} not done, {} unknown", counts[0], counts[1], counts[2]);
    ensure!(counts[1] > 30 && counts[2] > 1, "not every outcome occurred: {counts:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_reads_over_tls_leak_nothing() -> Result<()> {
    let office = Office::open().await?;
    let db = office.db(office.server.port(), "clerk").await?;
    let body = "x".repeat(LONG);
    let mut longest = 0;
    for step in 1..500 {
        let ids = office.next();
        let work = db.write(&POST_LONG, async |conn| post(conn, ids, &body).await);
        let end = drop_at(step, work, never_stuck()).await?;
        // The next borrower is in no open transaction and reads its own answer.
        let read = db.read(&LOOK, async |conn| {
            cached(sql_query("SELECT repeat('y', 40000) AS body")).get_result::<Letter>(conn).await
        });
        ensure!(read.await?.body.len() == LONG, "another answer, at step {step}");
        let stored = office.stored(ids).await?;
        ensure!(stored != 1, "{stored} of 2 are stored, dropped at step {step}");
        longest = step;
        if end == End::Finished {
            ensure!(stored == 2, "the write was committed");
            break;
        }
    }
    println!("over TLS: {longest} steps");
    ensure!((4..499).contains(&longest), "{longest} steps");
    Ok(())
}
