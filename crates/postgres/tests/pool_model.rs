//! The pool against a plain model of QueuePool: the same random steps on both, on a server that counts its sessions.

#[path = "support/fake_server.rs"]
mod fake_server;

use anyhow::{Context, Result, anyhow, bail, ensure};
use fake_server::FakeServer;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::path::Path;
use std::time::Duration;
use steadfast_postgres::diesel_async::SimpleAsyncConnection;
use steadfast_postgres::resilience::Deadline;
use steadfast_postgres::{CloseReason, Error, Order, Pool, PoolSettings, Pooled};
use tokio::time::{advance, pause, resume};

const SEQUENCES: u64 = 10_000;
const THREADS: u64 = 2;
const RECYCLE: Duration = Duration::from_secs(3600);

/// A connection, as QueuePool's ledger has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Record {
    Good,
    /// Open, and not to be handed out again: a transaction was left on it, or it is too old.
    Spent,
    /// Cut by the server.
    Dead,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Borrow,
    /// Borrow from a server that refuses new sessions, which then accepts them again.
    BorrowRefused,
    Return,
    /// Leave a transaction open, then return.
    ReturnInTransaction,
    /// Return while the server works.
    ReturnBusy,
    /// The server cuts every session.
    CutAll,
    /// Every connection reaches its age.
    Expire,
    /// Close what rests.
    Dispose,
}

/// SQLAlchemy's QueuePool, linger zero. One difference is meant: where QueuePool keeps the empty record of a connection
/// that broke in line, the place is given up.
#[derive(Debug)]
struct Model {
    size: usize,
    ceiling: usize,
    order: Order,
    resting: Vec<Record>,
    out: Vec<Record>,
}

#[derive(Debug, PartialEq, Eq)]
enum Borrowed {
    Given,
    Exhausted,
    Refused,
}

impl Model {
    fn borrow_one(&mut self, refusing: bool) -> Borrowed {
        if self.out.len() == self.ceiling {
            return Borrowed::Exhausted;
        }
        let next = match (self.resting.is_empty(), self.order) {
            (true, _) => None,
            (_, Order::Lifo) => self.resting.pop(),
            (_, Order::Fifo) => Some(self.resting.remove(0)),
        };
        if next != Some(Record::Good) && refusing {
            return Borrowed::Refused;
        }
        self.out.push(Record::Good);
        Borrowed::Given
    }

    fn give_back(&mut self, index: usize) {
        let record = self.out.remove(index);
        if record == Record::Good && self.resting.len() < self.size {
            self.resting.push(record);
        }
    }

    /// The connection that ended an outage rests in the pool, where there is room for it.
    fn reached(&mut self) {
        if self.out.len() + self.resting.len() == self.ceiling {
            let next = match self.order {
                Order::Lifo => self.resting.pop(),
                Order::Fifo => (!self.resting.is_empty()).then(|| self.resting.remove(0)),
            };
            self.resting.extend(next.map(|_| Record::Good));
        } else if self.resting.len() < self.size {
            self.resting.push(Record::Good);
        }
    }

    fn turn_all(&mut self, from: &[Record], to: Record) {
        let all = self.resting.iter_mut().chain(&mut self.out);
        all.filter(|record| from.contains(record)).for_each(|record| *record = to);
    }

    fn open(&self) -> usize {
        self.resting.len() + self.out.len()
    }

    fn sessions(&self) -> usize {
        self.resting.iter().chain(&self.out).filter(|record| **record != Record::Dead).count()
    }
}

/// One sequence: the pool, its server and the model beside it.
struct Run {
    server: FakeServer,
    pool: Pool,
    model: Model,
    held: Vec<Pooled>,
    random: StdRng,
}

impl Run {
    fn new(seed: u64, folder: &Path) -> Result<Self> {
        let mut random = StdRng::seed_from_u64(seed);
        let (pool_size, max_overflow) = (random.random_range(1..=4), random.random_range(0..=3));
        let order = if random.random() { Order::Lifo } else { Order::Fifo };
        let server = FakeServer::start(folder)?;
        let settings = PoolSettings {
            pool_size,
            max_overflow,
            order,
            linger: Duration::ZERO,
            recycle: RECYCLE,
            ..PoolSettings::default()
        };
        let pool = Pool::new(&server.url(), settings, || {})?;
        let (size, ceiling) = (pool_size as usize, (pool_size + max_overflow) as usize);
        let model = Model { size, ceiling, order, resting: Vec::new(), out: Vec::new() };
        Ok(Self { server, pool, model, held: Vec::new(), random })
    }

    fn next_step(&mut self) -> Step {
        match self.random.random_range(0..100) {
            0..46 => Step::Borrow,
            46..50 => Step::BorrowRefused,
            50..83 => Step::Return,
            83..87 => Step::ReturnInTransaction,
            87..91 => Step::ReturnBusy,
            91..94 => Step::CutAll,
            94..97 => Step::Expire,
            _ => Step::Dispose,
        }
    }

    async fn take(&mut self, step: Step) -> Result<()> {
        match step {
            Step::Borrow => self.borrow_one(false).await?,
            Step::BorrowRefused => {
                self.server.refuse(true);
                let outcome = self.borrow_one(true).await;
                self.server.refuse(false);
                outcome?;
                self.await_recovery().await?;
            }
            Step::Return | Step::ReturnInTransaction | Step::ReturnBusy if self.held.is_empty() => {}
            Step::Return => self.give_back(),
            Step::ReturnInTransaction => self.give_back_in_transaction().await?,
            Step::ReturnBusy => self.give_back_busy().await?,
            Step::CutAll => {
                self.server.cut_all();
                self.model.turn_all(&[Record::Good, Record::Spent], Record::Dead);
            }
            Step::Expire => {
                elapse(2 * RECYCLE).await;
                self.model.turn_all(&[Record::Good], Record::Spent);
            }
            Step::Dispose => {
                self.pool.dispose().await;
                self.model.turn_all(&[Record::Good], Record::Spent);
                let free = self.model.ceiling - self.model.out.len();
                let closed = self.model.resting.len().min(free);
                ensure!(closed == self.model.resting.len(), "nothing that rests is without a turn");
                self.model.resting.clear();
            }
        }
        self.settle().await
    }

    async fn borrow_one(&mut self, refusing: bool) -> Result<()> {
        let expected = self.model.borrow_one(refusing);
        let borrowing = self.pool.get_by(Deadline::after(Duration::from_secs(5)));
        let outcome = if expected == Borrowed::Exhausted {
            futures_util::future::join(borrowing, elapse(Duration::from_secs(6))).await.0
        } else {
            borrowing.await
        };
        let got = match outcome {
            Ok(conn) => {
                self.held.push(conn);
                Borrowed::Given
            }
            Err(Error::PoolTimeout { .. }) => Borrowed::Exhausted,
            Err(Error::Connect(_)) => Borrowed::Refused,
            Err(error) => bail!("{error}"),
        };
        ensure!(got == expected, "borrowing: {got:?}, the model says {expected:?}");
        Ok(())
    }

    fn give_back(&mut self) {
        let index = self.random.random_range(0..self.held.len());
        drop(self.held.remove(index));
        self.model.give_back(index);
    }

    async fn give_back_in_transaction(&mut self) -> Result<()> {
        let index = self.random.random_range(0..self.held.len());
        let mut conn = self.held.remove(index);
        let begun = conn.batch_execute("BEGIN").await;
        ensure!(begun.is_ok() != (self.model.out[index] == Record::Dead), "{begun:?}");
        self.model.out[index] = Record::Dead;
        self.model.give_back(index);
        Ok(())
    }

    async fn give_back_busy(&mut self) -> Result<()> {
        let index = self.random.random_range(0..self.held.len());
        let mut conn = self.held.remove(index);
        let turns = self.random.random_range(0..6);
        let slept = leave_after(turns, conn.batch_execute("SLEEP")).await;
        ensure!(
            slept.is_none_or(|answer| answer.is_err()),
            "the server answered a statement that never ends"
        );
        drop(conn);
        self.model.out[index] = Record::Dead;
        self.model.give_back(index);
        Ok(())
    }

    /// Lets the prober find out that the server accepts sessions again.
    async fn await_recovery(&mut self) -> Result<()> {
        if self.pool.state().outage.is_none() {
            return Ok(());
        }
        self.settle_sessions(self.model.sessions()).await?;
        elapse(Duration::from_millis(300)).await;
        self.model.reached();
        for _ in 0..10_000 {
            if self.pool.state().outage.is_none() {
                return Ok(());
            }
            tokio::task::yield_now().await;
        }
        Err(anyhow!("the outage never ended"))
    }

    /// Holds the pool against the model, at once and again when all sessions that were closed are gone.
    async fn settle(&mut self) -> Result<()> {
        let state = self.pool.state();
        let seen = (state.checked_out as usize, state.open as usize, state.overflow() as usize);
        let (out, open) = (self.model.out.len(), self.model.open());
        let expected = (out, open, open.saturating_sub(self.model.size));
        ensure!(seen == expected, "(out, open, overflow) is {seen:?}, the model says {expected:?}");
        self.settle_sessions(self.model.sessions()).await?;
        let most = self.server.most();
        ensure!(most <= self.model.ceiling, "{most} sessions at once, {} allowed", self.model.ceiling);
        Ok(())
    }

    async fn settle_sessions(&self, expected: usize) -> Result<()> {
        // A few more steps let the pool's side see what the server did.
        let mut quiet = 0;
        for _ in 0..20_000 {
            quiet = if self.server.live() == expected { quiet + 1 } else { 0 };
            if quiet == 5 {
                return Ok(());
            }
            tokio::task::yield_now().await;
        }
        Err(anyhow!("the server has {} sessions, the model {expected}", self.server.live()))
    }

    /// Returns everything, then borrows as much as there may be: no place was lost on the way.
    async fn find_every_place(mut self) -> Result<()> {
        while !self.held.is_empty() {
            self.take(Step::Return).await?;
        }
        for _ in 0..=self.model.ceiling {
            self.take(Step::Borrow).await?;
        }
        ensure!(self.held.len() == self.model.ceiling, "{} places were found", self.held.len());
        self.pool.close();
        ensure!(matches!(self.pool.get_by(Deadline::after(RECYCLE)).await, Err(Error::PoolClosed)));
        while !self.held.is_empty() {
            self.take(Step::Return).await?;
        }
        ensure!(self.pool.state().waiting == 0);
        Ok(())
    }
}

/// Leaves `work` after so many turns of the runtime; its value when it was ready before.
async fn leave_after<F: Future>(turns: usize, work: F) -> Option<F::Output> {
    let patience = async {
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        value = work => Some(value),
        () = patience => None,
    }
}

/// Moves the clock on.
async fn elapse(time: Duration) {
    pause();
    advance(time).await;
    resume();
}

fn run_sequence(seed: u64, folder: &Path) -> Result<usize> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut run = Run::new(seed, folder)?;
        let length = run.random.random_range(10..30);
        let mut steps = Vec::with_capacity(length);
        for _ in 0..length {
            let step = run.next_step();
            steps.push(step);
            run.take(step).await.with_context(|| format!("{:?} after {steps:?}", run.model))?;
        }
        run.find_every_place().await.with_context(|| format!("in the end, after {steps:?}"))?;
        Ok(length)
    })
}

#[test]
fn ten_thousand_random_sequences_agree_with_queue_pool_and_lose_no_place() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("sf-model-{}", std::process::id()));
    let began = std::time::Instant::now();
    let workers: Vec<_> = (0..THREADS)
        .map(|thread| {
            let folder = folder.join(thread.to_string());
            std::thread::spawn(move || -> Result<usize> {
                let seeds = (thread..SEQUENCES).step_by(THREADS as usize);
                seeds.map(|seed| run_sequence(seed, &folder).with_context(|| format!("seed {seed}"))).sum()
            })
        })
        .collect();
    let mut steps = 0;
    for worker in workers {
        steps += worker.join().map_err(|_| anyhow!("a panic"))??;
    }
    std::fs::remove_dir_all(&folder)?;
    println!("{SEQUENCES} sequences, {steps} steps, {:.1} s", began.elapsed().as_secs_f64());
    Ok(())
}

/// The lives of thirty connections spread over twelve seconds of the pool's clock.
#[test]
fn thirty_connections_born_together_do_not_die_together() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("sf-lives-{}", std::process::id()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let closed_a_second = runtime.block_on(async {
        let server = FakeServer::start(&folder)?;
        let settings = PoolSettings { recycle: Duration::from_secs(60), ..PoolSettings::sized(30, 0) };
        let pool = Pool::new(&server.url(), settings, || {})?;
        let mut closed_so_far = Vec::new();
        for _tenth in 0..680 {
            let borrowed = (0..30).map(|_| pool.get_by(Deadline::after(Duration::from_secs(5))));
            drop(futures_util::future::try_join_all(borrowed).await?);
            closed_so_far.push(pool.state().closed_for(CloseReason::Recycled));
            elapse(Duration::from_millis(100)).await;
        }
        let seconds = closed_so_far.windows(11).map(|window| window[10] - window[0]);
        anyhow::Ok((closed_so_far[679], seconds.max().unwrap_or_default()))
    })?;
    std::fs::remove_dir_all(&folder)?;
    assert_eq!(closed_a_second.0, 30, "every connection was replaced once");
    assert!(closed_a_second.1 <= 3, "{} of 30 were closed within one second", closed_a_second.1);
    Ok(())
}
