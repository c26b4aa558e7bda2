//! The connection is cut after every single byte of a unit of work in both directions, and never misreports the
//! outcome.

#[path = "support/cut_proxy.rs"]
mod cut_proxy;

use anyhow::{Context, Result, ensure};
use cut_proxy::{Afterwards, Cut, CutProxy, Direction, End};
use futures_util::{StreamExt, TryStreamExt, stream};
use std::cmp::Ordering;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;
use steadfast_postgres::diesel::{ExpressionMethods, QueryDsl, QueryResult, insert_into};
use steadfast_postgres::diesel_async::RunQueryDsl;
use steadfast_postgres::resilience::{Class, Classify};
use steadfast_postgres::tokio_postgres::{Client, Config, NoTls, config::Host};
use steadfast_postgres::{Conn, Db, DbSettings, Error, Operation, PoolSettings, Read, Write};
use steadfast_testkit::TestDatabase;

steadfast_postgres::diesel::table! {
    /// Letters that were posted.
    letters (id) {
        /// Its number.
        id -> Int8,
        /// Its length.
        pages -> Int4,
    }
}

const POST: Operation<Write> = Operation::write("letters.post").served_by(&["letters_pkey"]);
/// [`POST`] for a connection that falls silent.
const POST_SOON: Operation<Write> =
    Operation::write("letters.post_soon").served_by(&["letters_pkey"]).deadline(Duration::from_millis(400));
const COUNT_PAGES: Operation<Read> = Operation::read("letters.count_pages").served_by(&["letters_pkey"]);

/// The letter that exists from the beginning.
const FIRST: i64 = 0;

/// Number of concurrent cuts.
const AT_ONCE: usize = 6;

/// A database of letters and a session that is not cut.
struct Office {
    database: TestDatabase,
    looker: Client,
    letters: AtomicU32,
}

/// A pool of one connection through a proxy.
struct Sender {
    db: Db,
    proxy: CutProxy,
    name: String,
    attempts: AtomicU32,
}

/// Reported outcome of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reported {
    Done,
    NotDone,
    Unknown,
}

/// A cut and its outcome.
#[derive(Debug)]
struct CutOutcome {
    cut: Cut,
    reported: Reported,
    stored: bool,
    attempts: u32,
    commit: Commit,
}

/// Position of a cut in the messages of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Commit {
    /// COMMIT was not sent yet.
    NotSent,
    /// The caller has all answers that it needs to send COMMIT, and loses the connection at that moment.
    AboutToBeSent,
    /// The first byte of COMMIT was sent.
    InFlight,
}

/// Returns the operation of a write on a connection that ends in this direction. Its deadline is part of the bytes sent.
fn operation(end: End) -> &'static Operation<Write> {
    if end == End::Stalled { &POST_SOON } else { &POST }
}

async fn post(conn: &mut Conn, id: i64) -> QueryResult<usize> {
    insert_into(letters::table).values((letters::id.eq(id), letters::pages.eq(3))).execute(conn).await
}

async fn count_pages(conn: &mut Conn) -> QueryResult<i32> {
    letters::table.find(FIRST).select(letters::pages).first(conn).await
}

impl Office {
    async fn open() -> Result<Self> {
        let database = TestDatabase::empty().await?;
        let (looker, connection) =
            steadfast_postgres::tokio_postgres::connect(&database.url(), NoTls).await?;
        tokio::spawn(connection);
        let table = "CREATE TABLE letters (id int8 PRIMARY KEY, pages int4 NOT NULL); INSERT INTO letters VALUES (0, 7)";
        looker.batch_execute(table).await?;
        Ok(Self { database, looker, letters: AtomicU32::new(1) })
    }

    fn new_letter(&self) -> i64 {
        self.letters.fetch_add(1, Relaxed).into()
    }

    /// Creates a sender with an open session on which both statements are prepared.
    async fn sender(&self, afterwards: Afterwards) -> Result<Sender> {
        let server: Config = self.database.url().parse()?;
        let (Some(Host::Tcp(_)), Some(port)) = (server.get_hosts().first(), server.get_ports().first())
        else {
            anyhow::bail!("the server is not reached over TCP");
        };
        let proxy = CutProxy::before(*port, afterwards).await?;
        let url = format!(
            "postgres://{}@127.0.0.1:{}/{}",
            server.get_user().unwrap_or("postgres"),
            proxy.port,
            self.database.name()
        );
        let warming = self.new_letter();
        let name = format!("sender-{warming}");
        let mut pool = PoolSettings::sized(1, 0);
        pool.session.application_name.clone_from(&name);
        let db = Db::new(&url, DbSettings { pool, ..DbSettings::default() })?;
        db.write(&POST, async |conn| post(conn, warming).await).await?;
        db.read(&COUNT_PAGES, count_pages).await?;
        Ok(Sender { db, proxy, name, attempts: AtomicU32::new(0) })
    }

    /// Waits until the server has finished with the session `name`.
    async fn wait_for_end_of(&self, name: &str) -> Result<()> {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1";
        for _ in 0..2_000 {
            if self.looker.query_one(sql, &[&name]).await?.get::<_, i64>(0) == 0 {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        anyhow::bail!("{name} still has a session")
    }

    async fn has(&self, letter: i64) -> Result<bool> {
        let found = self.looker.query_opt("SELECT FROM letters WHERE id = $1", &[&letter]).await?;
        Ok(found.is_some())
    }

    /// Returns the bytes of a write on the session of `sender`. They vary only in the length of the statement's name.
    async fn rehearse_write(&self, sender: &Sender, end: End) -> Result<[Vec<u8>; 2]> {
        let letter = self.new_letter();
        sender.proxy.watch();
        sender.db.write(operation(end), async |conn| post(conn, letter).await).await?;
        Ok(sender.proxy.watched())
    }

    /// Cuts a write and checks the table when the server is done; returns `None` if the write has fewer bytes.
    async fn try_write(&self, cut: Cut) -> Result<Option<CutOutcome>> {
        let (sender, letter) = (self.sender(Afterwards::Refuse).await?, self.new_letter());
        let rehearsed = self.rehearse_write(&sender, cut.end).await?;
        if cut.bytes > rehearsed[cut.direction as usize].len() {
            return Ok(None);
        }
        let commit = Commit::at(&cut, &rehearsed)?;
        sender.proxy.arm(cut);
        let reported = sender.write(operation(cut.end), letter).await.with_context(|| format!("{cut:?}"))?;
        let (name, attempts) = (sender.name.clone(), AtomicU32::load(&sender.attempts, Relaxed));
        // A session with a complete answer would stay on its silent connection.
        drop(sender);
        self.wait_for_end_of(&name).await?;
        let stored = self.has(letter).await?;
        Ok(Some(CutOutcome { cut, reported, stored, attempts, commit }))
    }
}

impl Commit {
    fn at(cut: &Cut, dialogue: &[Vec<u8>; 2]) -> Result<Self> {
        // Tag and length precede the text in both directions.
        let text = dialogue[cut.direction as usize].windows(7).position(|window| window == b"COMMIT\0");
        let begins = text.context("no COMMIT")? - 5;
        Ok(match (cut.bytes.cmp(&begins), cut.direction) {
            (Ordering::Less, _) | (Ordering::Equal, Direction::ToServer) => Self::NotSent,
            (Ordering::Equal, Direction::ToClient) => Self::AboutToBeSent,
            (Ordering::Greater, _) => Self::InFlight,
        })
    }
}

impl CutOutcome {
    fn is_misreported(&self) -> bool {
        match self.reported {
            Reported::Done => !self.stored || self.commit != Commit::InFlight,
            // Not even by chance.
            Reported::NotDone => self.stored || self.commit == Commit::InFlight,
            Reported::Unknown => self.commit == Commit::NotSent,
        }
    }
}

impl Sender {
    async fn write(&self, operation: &'static Operation<Write>, letter: i64) -> Result<Reported> {
        let answer = self.db.write(operation, async |conn| {
            self.attempts.fetch_add(1, Relaxed);
            post(conn, letter).await
        });
        match answer.await {
            Ok(_) => Ok(Reported::Done),
            Err(Error::CommitUnknown) => Ok(Reported::Unknown),
            Err(Error::Deadline { .. }) => Ok(Reported::NotDone),
            Err(error) if error.class() == Class::Unavailable => Ok(Reported::NotDone),
            Err(error) => Err(error).context("a cut line is nothing else than unavailable"),
        }
    }
}

/// Number of digits by which a statement's name may grow during the test: names are numbered per process.
const NAME_GROWS: usize = 3;

/// Returns every cut: before the first byte and after each byte, in both directions, with each of `ends`.
fn cuts(dialogue: &[Vec<u8>; 2], ends: &'static [End]) -> Vec<Cut> {
    let directions =
        [(Direction::ToServer, dialogue[0].len() + NAME_GROWS), (Direction::ToClient, dialogue[1].len())];
    let in_direction = |(direction, length): (Direction, usize)| {
        (0..=length).flat_map(move |bytes| ends.iter().map(move |end| Cut { direction, bytes, end: *end }))
    };
    directions.into_iter().flat_map(in_direction).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_connection_never_misreports_writes() -> Result<()> {
    try_writes(&[End::Closed, End::Reset], 300).await
}

#[tokio::test(flavor = "multi_thread")]
async fn deadline_on_silent_connection_never_misreports_writes() -> Result<()> {
    try_writes(&[End::Stalled], 150).await
}

/// Cuts a write after each of its bytes with each of `ends`, more than `at_least` times in total.
async fn try_writes(ends: &'static [End], at_least: usize) -> Result<()> {
    let office = Office::open().await?;
    let rehearsed = office.rehearse_write(&office.sender(Afterwards::Pass).await?, ends[0]).await?;
    let outcomes =
        stream::iter(cuts(&rehearsed, ends)).map(|cut| office.try_write(cut)).buffer_unordered(AT_ONCE);
    let outcomes: Vec<Option<CutOutcome>> = outcomes.try_collect().await?;
    let outcomes: Vec<CutOutcome> = outcomes.into_iter().flatten().collect();
    let misreported: Vec<&CutOutcome> = outcomes.iter().filter(|outcome| outcome.is_misreported()).collect();
    let count = |reported: Reported| outcomes.iter().filter(|outcome| outcome.reported == reported).count();
    let counts = [Reported::Done, Reported::NotDone, Reported::Unknown].map(count);
    let in_direction =
        |direction: Direction| outcomes.iter().filter(|outcome| outcome.cut.direction == direction).count();
    let stored_unseen =
        outcomes.iter().filter(|outcome| outcome.reported == Reported::Unknown && outcome.stored).count();
    println!(
        "{} cuts to the server, {} to the client: {} done, {} not done, {} unknown ({stored_unseen} of them stored), {} misreported",
        in_direction(Direction::ToServer),
        in_direction(Direction::ToClient),
        counts[0],
        counts[1],
        counts[2],
        misreported.len()
    );
    ensure!(misreported.is_empty(), "{misreported:#?}");
    ensure!(
        outcomes.len() > at_least && counts.iter().all(|count| *count > 0),
        "not every outcome occurred: {counts:?}"
    );
    ensure!(0 < stored_unseen && stored_unseen < counts[2], "{stored_unseen} of {} are stored", counts[2]);
    let repeated: Vec<&CutOutcome> = outcomes.iter().filter(|outcome| outcome.attempts > 1).collect();
    ensure!(repeated.is_empty(), "a write that was cut was run again: {repeated:#?}");
    Ok(())
}

/// Returns the outcome of the read for each cut; cuts beyond its last byte are left out.
async fn try_reads(
    office: &Office,
    cuts: &[Cut],
    afterwards: Afterwards,
) -> Result<Vec<(Cut, Result<i32, Error>)>> {
    let try_read = async |cut: Cut| -> Result<Option<(Cut, Result<i32, Error>)>> {
        let sender = office.sender(afterwards).await?;
        sender.proxy.arm(cut);
        let reported = sender.db.read(&COUNT_PAGES, count_pages).await;
        Ok(sender.proxy.has_cut().then_some((cut, reported)))
    };
    let reported = stream::iter(cuts).map(|cut| try_read(*cut)).buffer_unordered(AT_ONCE);
    let reported: Vec<_> = reported.try_collect().await?;
    Ok(reported.into_iter().flatten().collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_connection_never_misreports_reads() -> Result<()> {
    let office = Office::open().await?;
    let rehearsing = office.sender(Afterwards::Pass).await?;
    rehearsing.proxy.watch();
    rehearsing.db.read(&COUNT_PAGES, count_pages).await?;
    let cuts = cuts(&rehearsing.proxy.watched(), &[End::Closed, End::Reset]);
    let passed = try_reads(&office, &cuts, Afterwards::Pass).await?;
    let wrong: Vec<_> = passed.iter().filter(|(_, answer)| !matches!(answer, Ok(7))).collect();
    ensure!(wrong.is_empty(), "{wrong:#?}");

    let refused = try_reads(&office, &cuts, Afterwards::Refuse).await?;
    let is_wrong = |(_, answer): &&(Cut, Result<i32, Error>)| match answer {
        Ok(pages) => *pages != 7,
        Err(error) => error.class() != Class::Unavailable,
    };
    let wrong: Vec<_> = refused.iter().filter(is_wrong).collect();
    ensure!(wrong.is_empty(), "{wrong:#?}");
    let failed = refused.iter().filter(|(_, answer)| answer.is_err()).count();
    println!(
        "{} cuts of a read, all right with the server there; {} with the server gone, {failed} refused, none wrong",
        passed.len(),
        refused.len()
    );
    ensure!(failed > 0 && failed < refused.len(), "{failed} of {} failed", refused.len());
    Ok(())
}
