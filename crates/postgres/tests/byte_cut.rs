//! The stream to the server cut after every single byte of a unit of work, both ways: the caller's answer is never a lie.

#[path = "support/cut_proxy.rs"]
mod cut_proxy;

use anyhow::{Context, Result, ensure};
use cut_proxy::{Afterwards, Cut, CutProxy, End, Way};
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
/// As [`POST`], for a line that falls silent.
const POST_SOON: Operation<Write> =
    Operation::write("letters.post_soon").served_by(&["letters_pkey"]).deadline(Duration::from_millis(400));
const COUNT_PAGES: Operation<Read> = Operation::read("letters.count_pages").served_by(&["letters_pkey"]);

/// The letter that is there from the beginning.
const FIRST: i64 = 0;

/// Cuts that are tried at the same time.
const AT_ONCE: usize = 6;

/// A database of letters and a session beside the one that is cut.
struct Office {
    database: TestDatabase,
    looker: Client,
    letters: AtomicU32,
}

/// A pool of one connection whose bytes go through a proxy.
struct Sender {
    db: Db,
    proxy: CutProxy,
    name: String,
    attempts: AtomicU32,
}

/// What the caller was told about a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Done,
    NotDone,
    Unknown,
}

/// One cut and what came of it.
#[derive(Debug)]
struct Trial {
    cut: Cut,
    told: Told,
    stored: bool,
    attempts: u32,
    commit: Commit,
}

/// Where a cut lies in the dialogue of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Commit {
    /// The caller cannot have sent it.
    NotSent,
    /// The caller has all that it waits for before it sends it, and loses the line at that moment.
    AboutToBeSent,
    /// Its first byte has left.
    InFlight,
}

/// The operation of a write on a line that ends so. Its deadline is part of what is sent.
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

    /// A sender with an open session, on which both statements are prepared.
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

    /// The bytes of a write on the session of `sender`. They differ in the length of the statement's name only.
    async fn rehearse_write(&self, sender: &Sender, end: End) -> Result<[Vec<u8>; 2]> {
        let letter = self.new_letter();
        sender.proxy.watch();
        sender.db.write(operation(end), async |conn| post(conn, letter).await).await?;
        Ok(sender.proxy.watched())
    }

    /// Cuts a write, and looks at the table when the server is through with it; `None` when the write has fewer bytes.
    async fn try_write(&self, cut: Cut) -> Result<Option<Trial>> {
        let (sender, letter) = (self.sender(Afterwards::Refuse).await?, self.new_letter());
        let rehearsed = self.rehearse_write(&sender, cut.end).await?;
        if cut.bytes > rehearsed[cut.way as usize].len() {
            return Ok(None);
        }
        let commit = Commit::at(&cut, &rehearsed)?;
        sender.proxy.arm(cut);
        let told = sender.write(operation(cut.end), letter).await.with_context(|| format!("{cut:?}"))?;
        let (name, attempts) = (sender.name.clone(), AtomicU32::load(&sender.attempts, Relaxed));
        // A session that has all of its answer would stay on its silent line.
        drop(sender);
        self.wait_for_end_of(&name).await?;
        let stored = self.has(letter).await?;
        Ok(Some(Trial { cut, told, stored, attempts, commit }))
    }
}

impl Commit {
    fn at(cut: &Cut, dialogue: &[Vec<u8>; 2]) -> Result<Self> {
        // Its tag and length stand before its text, in the request as in the answer.
        let text = dialogue[cut.way as usize].windows(7).position(|window| window == b"COMMIT\0");
        let begins = text.context("no COMMIT")? - 5;
        Ok(match (cut.bytes.cmp(&begins), cut.way) {
            (Ordering::Less, _) | (Ordering::Equal, Way::ToServer) => Self::NotSent,
            (Ordering::Equal, Way::ToClient) => Self::AboutToBeSent,
            (Ordering::Greater, _) => Self::InFlight,
        })
    }
}

impl Trial {
    fn is_lie(&self) -> bool {
        match self.told {
            Told::Done => !self.stored || self.commit != Commit::InFlight,
            // Not even by luck.
            Told::NotDone => self.stored || self.commit == Commit::InFlight,
            Told::Unknown => self.commit == Commit::NotSent,
        }
    }
}

impl Sender {
    async fn write(&self, operation: &'static Operation<Write>, letter: i64) -> Result<Told> {
        let answer = self.db.write(operation, async |conn| {
            self.attempts.fetch_add(1, Relaxed);
            post(conn, letter).await
        });
        match answer.await {
            Ok(_) => Ok(Told::Done),
            Err(Error::CommitUnknown) => Ok(Told::Unknown),
            Err(Error::Deadline { .. }) => Ok(Told::NotDone),
            Err(error) if error.class() == Class::Unavailable => Ok(Told::NotDone),
            Err(error) => Err(error).context("a cut line is nothing else than unavailable"),
        }
    }
}

/// Digits by which a statement's name may grow while the cuts are tried: names are counted through the process.
const NAME_GROWS: usize = 3;

/// Every cut of a dialogue: before its first byte, after each, both ways, with each of `ends`.
fn cuts(dialogue: &[Vec<u8>; 2], ends: &'static [End]) -> Vec<Cut> {
    let ways = [(Way::ToServer, dialogue[0].len() + NAME_GROWS), (Way::ToClient, dialogue[1].len())];
    let of_way = |(way, length): (Way, usize)| {
        (0..=length).flat_map(move |bytes| ends.iter().map(move |end| Cut { way, bytes, end: *end }))
    };
    ways.into_iter().flat_map(of_way).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_is_cut_after_any_byte_is_reported_as_the_table_has_it() -> Result<()> {
    try_writes(&[End::Closed, End::Reset], 300).await
}

#[tokio::test(flavor = "multi_thread")]
async fn deadlines_on_a_silent_line_are_reported_as_the_table_has_it() -> Result<()> {
    try_writes(&[End::Stalled], 150).await
}

/// Cuts a write after each of its bytes with each of `ends`, more than `at_least` times in all.
async fn try_writes(ends: &'static [End], at_least: usize) -> Result<()> {
    let office = Office::open().await?;
    let rehearsed = office.rehearse_write(&office.sender(Afterwards::Pass).await?, ends[0]).await?;
    let trials =
        stream::iter(cuts(&rehearsed, ends)).map(|cut| office.try_write(cut)).buffer_unordered(AT_ONCE);
    let trials: Vec<Option<Trial>> = trials.try_collect().await?;
    let trials: Vec<Trial> = trials.into_iter().flatten().collect();
    let lies: Vec<&Trial> = trials.iter().filter(|trial| trial.is_lie()).collect();
    let count = |told: Told| trials.iter().filter(|trial| trial.told == told).count();
    let counts = [Told::Done, Told::NotDone, Told::Unknown].map(count);
    let of_way = |way: Way| trials.iter().filter(|trial| trial.cut.way == way).count();
    let stored_unseen = trials.iter().filter(|trial| trial.told == Told::Unknown && trial.stored).count();
    println!(
        "{} cuts to the server, {} to the client: {} done, {} not done, {} unknown ({stored_unseen} of them stored), {} lies",
        of_way(Way::ToServer),
        of_way(Way::ToClient),
        counts[0],
        counts[1],
        counts[2],
        lies.len()
    );
    ensure!(lies.is_empty(), "{lies:#?}");
    ensure!(
        trials.len() > at_least && counts.iter().all(|count| *count > 0),
        "not every answer came: {counts:?}"
    );
    ensure!(0 < stored_unseen && stored_unseen < counts[2], "{stored_unseen} of {} are stored", counts[2]);
    let repeated: Vec<&Trial> = trials.iter().filter(|trial| trial.attempts > 1).collect();
    ensure!(repeated.is_empty(), "a write that was cut was run again: {repeated:#?}");
    Ok(())
}

/// What the read was told in each cut; cuts beyond its last byte are left out.
async fn try_reads(
    office: &Office,
    cuts: &[Cut],
    afterwards: Afterwards,
) -> Result<Vec<(Cut, Result<i32, Error>)>> {
    let try_read = async |cut: Cut| -> Result<Option<(Cut, Result<i32, Error>)>> {
        let sender = office.sender(afterwards).await?;
        sender.proxy.arm(cut);
        let told = sender.db.read(&COUNT_PAGES, count_pages).await;
        Ok(sender.proxy.has_cut().then_some((cut, told)))
    };
    let told = stream::iter(cuts).map(|cut| try_read(*cut)).buffer_unordered(AT_ONCE);
    let told: Vec<_> = told.try_collect().await?;
    Ok(told.into_iter().flatten().collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_is_cut_after_any_byte_is_right_or_refused_and_right_while_the_server_is_there()
-> Result<()> {
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
