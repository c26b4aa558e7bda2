//! Compares the pool with a simple model of QueuePool: the same random steps on both, on a server that counts its
//! sessions.

#[path = "support/fake_server.rs"]
mod fake_server;
#[path = "support/queue_pool.rs"]
mod queue_pool;

use anyhow::{Context, Result, anyhow, bail, ensure};
use fake_server::FakeServer;
use queue_pool::{Borrowed, Model, Record};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::path::Path;
use std::time::Duration;
use steadfast_postgres::diesel_async::SimpleAsyncConnection;
use steadfast_postgres::resilience::Deadline;
use steadfast_postgres::{CloseReason, Error, Order, Pool, PoolSettings, Pooled};
use tokio::task::JoinHandle;
use tokio::time::{advance, pause, resume};

const SEQUENCES: u64 = 4_000;
/// Number of sequences with `STEADFAST_LONG`.
const SEQUENCES_LONG: u64 = 10_000;
const THREADS: u64 = 2;
/// Maximum age of a connection, longer than a sequence.
const RECYCLE: Duration = Duration::from_secs(24 * 3600);
/// Linger time, longer than all waits of a sequence together.
const LINGER: Duration = Duration::from_secs(1000);
/// Time after which every timer of [`LINGER`] has fired: timers have a resolution of a millisecond and are rounded up.
const LINGERED: Duration = Duration::from_millis(1_000_002);
/// Timeout of a borrower.
const WAIT: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A number of borrowers ask concurrently, and connections are returned while they wait. The server may refuse new
    /// sessions during the step.
    Borrow {
        crowd: usize,
        returns: usize,
        refusing: bool,
    },
    Return,
    /// Return a connection with an open transaction.
    ReturnInTransaction,
    /// Return a connection while the server is working.
    ReturnBusy,
    /// The server closes every session.
    CutAll,
    /// Every connection reaches its maximum age.
    Expire,
    /// The linger time passes.
    Linger,
    /// Close the idle connections.
    Dispose,
}

type Borrowing = JoinHandle<Result<Pooled, Error>>;

/// One sequence: the pool, its server and the model.
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
        let lingers = random.random();
        let server = FakeServer::start(folder)?;
        let settings = PoolSettings {
            pool_size,
            max_overflow,
            order,
            linger: if lingers { LINGER } else { Duration::ZERO },
            recycle: RECYCLE,
            ..PoolSettings::default()
        };
        let pool = Pool::new(&server.url(), settings, || {})?;
        let model = Model::new(pool_size as usize, max_overflow as usize, order, lingers);
        Ok(Self { server, pool, model, held: Vec::new(), random })
    }

    fn next_step(&mut self) -> Step {
        match self.random.random_range(0..100) {
            0..36 => Step::Borrow { crowd: 1, returns: 0, refusing: false },
            36..44 => self.crowd(false),
            44..52 => self.crowd(true),
            52..80 => Step::Return,
            80..84 => Step::ReturnInTransaction,
            84..88 => Step::ReturnBusy,
            88..91 => Step::CutAll,
            91..94 => Step::Expire,
            94..97 => Step::Linger,
            _ => Step::Dispose,
        }
    }

    fn crowd(&mut self, refusing: bool) -> Step {
        let (crowd, returns) = (self.random.random_range(1..=5), self.random.random_range(0..=3));
        Step::Borrow { crowd, returns, refusing }
    }

    async fn take(&mut self, step: Step) -> Result<()> {
        match step {
            Step::Borrow { crowd, returns, refusing } => self.borrow(crowd, returns, refusing).await?,
            Step::Return | Step::ReturnInTransaction | Step::ReturnBusy if self.held.is_empty() => {}
            Step::Return => _ = self.return_one(false),
            Step::ReturnInTransaction => self.return_one_in_transaction().await?,
            Step::ReturnBusy => self.return_one_busy().await?,
            Step::CutAll => {
                self.server.cut_all();
                self.model.turn_all(&[Record::Good, Record::Expired], Record::Dead);
            }
            Step::Expire => {
                elapse(2 * RECYCLE).await;
                self.model.turn_all(&[Record::Good], Record::Expired);
                self.await_sweep().await?;
            }
            Step::Linger => {
                elapse(LINGERED).await;
                self.await_sweep().await?;
            }
            Step::Dispose => {
                self.pool.dispose().await;
                self.model.turn_all(&[Record::Good], Record::Expired);
                self.model.idle.clear();
            }
        }
        self.settle().await
    }

    /// Borrows with several callers, one after the other, and returns connections while some wait.
    async fn borrow(&mut self, crowd: usize, returns: usize, refusing: bool) -> Result<()> {
        let opened = self.pool.state().opened;
        self.server.refuse(refusing);
        let mut crowd = self.ask(crowd, refusing).await?;
        for _ in 0..returns.min(self.held.len()) {
            let (served, are_refused) = self.return_one(refusing);
            for number in served.into_iter().chain(self.all_waiting(are_refused)) {
                let expected = if are_refused { Borrowed::Refused } else { Borrowed::Given };
                self.end(&mut crowd, number, expected).await?;
            }
            self.settle().await?;
        }
        if !self.model.waiting.is_empty() {
            elapse(WAIT + Duration::from_secs(1)).await;
            for number in self.all_waiting(true) {
                self.end(&mut crowd, number, Borrowed::Waits).await?;
            }
        }
        self.server.refuse(false);
        if refusing { self.await_recovery(opened).await } else { Ok(()) }
    }

    /// Starts the borrowers. Those that are served or refused immediately have ended when this returns.
    async fn ask(&mut self, crowd: usize, refusing: bool) -> Result<Vec<Option<Borrowing>>> {
        let mut borrowings = Vec::new();
        for number in 0..crowd {
            let pool = self.pool.clone();
            borrowings.push(Some(tokio::spawn(async move { pool.get_by(Deadline::after(WAIT)).await })));
            let expected = self.model.borrow_one(number, refusing);
            match expected {
                Borrowed::Waits => {
                    until(|| self.pool.state().waiting == self.model.waiting.len() as u64).await?;
                }
                Borrowed::Given => self.end(&mut borrowings, number, expected).await?,
                Borrowed::Refused => {
                    for number in self.all_waiting(true).into_iter().chain([number]) {
                        self.end(&mut borrowings, number, expected).await?;
                    }
                }
            }
        }
        Ok(borrowings)
    }

    /// Returns the borrowers that waited, if they have ended.
    fn all_waiting(&mut self, have_ended: bool) -> Vec<usize> {
        if have_ended { self.model.waiting.drain(..).collect() } else { Vec::new() }
    }

    async fn end(
        &mut self,
        crowd: &mut [Option<Borrowing>],
        number: usize,
        expected: Borrowed,
    ) -> Result<()> {
        let got = match crowd[number].take().context("a borrower that has not ended")?.await? {
            Ok(conn) => {
                self.held.push(conn);
                Borrowed::Given
            }
            Err(Error::PoolTimeout { .. }) => Borrowed::Waits,
            Err(Error::Connect(_)) => Borrowed::Refused,
            Err(error) => bail!("{error}"),
        };
        ensure!(got == expected, "borrower {number}: {got:?}, the model says {expected:?}");
        Ok(())
    }

    fn return_one(&mut self, refusing: bool) -> (Option<usize>, bool) {
        let index = self.random.random_range(0..self.held.len());
        drop(self.held.remove(index));
        self.model.return_one(index, refusing)
    }

    async fn return_one_in_transaction(&mut self) -> Result<()> {
        let index = self.random.random_range(0..self.held.len());
        let mut conn = self.held.remove(index);
        let begun = conn.batch_execute("BEGIN").await;
        ensure!(begun.is_ok() != (self.model.out[index] == Record::Dead), "{begun:?}");
        self.model.out[index] = Record::Dead;
        self.model.return_one(index, false);
        Ok(())
    }

    async fn return_one_busy(&mut self) -> Result<()> {
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
        self.model.return_one(index, false);
        Ok(())
    }

    async fn await_sweep(&mut self) -> Result<()> {
        self.model.sweep();
        if until(|| self.pool.state().open as usize == self.model.open()).await.is_err() {
            // A session that was still closing during the last interval counted as in use, which takes one more
            // interval.
            elapse(LINGERED).await;
            self.model.sweep();
            until(|| self.pool.state().open as usize == self.model.open()).await?;
        }
        Ok(())
    }

    /// Waits until the prober has noticed that the server accepts sessions again or that none is needed.
    async fn await_recovery(&mut self, opened: u64) -> Result<()> {
        elapse(Duration::from_millis(300)).await;
        until(|| self.pool.state().outage.is_none() && self.pool.state().impairment.is_none()).await?;
        self.model.recover(self.pool.state().opened > opened);
        Ok(())
    }

    /// Compares the pool with the model, immediately and again when all closed sessions have ended.
    async fn settle(&mut self) -> Result<()> {
        let state = self.pool.state();
        let seen = (state.checked_out as usize, state.open as usize, state.overflow() as usize);
        let (out, open) = (self.model.out.len(), self.model.open());
        let expected = (out, open, open.saturating_sub(self.model.size));
        ensure!(seen == expected, "(out, open, overflow) is {seen:?}, the model says {expected:?}");
        let closed: u64 = state.closed.iter().map(|(_, count)| count).sum();
        ensure!(
            state.opened == closed + open as u64,
            "{} opened, {closed} closed, {open} open",
            state.opened
        );
        self.settle_sessions(self.model.sessions()).await?;
        let most = self.server.most();
        ensure!(most <= self.model.ceiling, "{most} sessions at once, {} allowed", self.model.ceiling);
        Ok(())
    }

    async fn settle_sessions(&self, expected: usize) -> Result<()> {
        // A few more steps let the pool notice the server's action.
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

    /// Returns everything, then borrows the maximum: no slot was lost.
    async fn find_every_slot(mut self) -> Result<()> {
        while !self.held.is_empty() {
            self.take(Step::Return).await?;
        }
        for _ in 0..=self.model.ceiling {
            self.take(Step::Borrow { crowd: 1, returns: 0, refusing: false }).await?;
        }
        ensure!(self.held.len() == self.model.ceiling, "{} slots were found", self.held.len());
        let closed = self.pool.close(Duration::ZERO).await;
        ensure!(closed.unreturned.len() == self.held.len(), "{closed:?}");
        self.model.turn_all(&[Record::Good], Record::Expired);
        self.model.idle.clear();
        ensure!(matches!(self.pool.get_by(Deadline::after(RECYCLE)).await, Err(Error::PoolClosed)));
        while !self.held.is_empty() {
            self.take(Step::Return).await?;
        }
        ensure!(self.pool.state().waiting == 0);
        Ok(())
    }
}

/// Waits until `condition` holds.
async fn until(condition: impl Fn() -> bool) -> Result<()> {
    for _ in 0..20_000 {
        if condition() {
            return Ok(());
        }
        tokio::task::yield_now().await;
    }
    Err(anyhow!("a condition that never came"))
}

/// Drops `work` after this number of scheduler turns; returns its value if it was ready before.
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

/// Advances the clock.
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
        run.find_every_slot().await.with_context(|| format!("in the end, after {steps:?}"))?;
        Ok(length)
    })
}

#[test]
fn pool_matches_queue_pool_model() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("sf-model-{}", std::process::id()));
    let began = std::time::Instant::now();
    let sequences = if std::env::var_os("STEADFAST_LONG").is_some() { SEQUENCES_LONG } else { SEQUENCES };
    let workers: Vec<_> = (0..THREADS)
        .map(|thread| {
            let folder = folder.join(thread.to_string());
            std::thread::spawn(move || -> Result<usize> {
                let seeds = (thread..sequences).step_by(THREADS as usize);
                seeds.map(|seed| run_sequence(seed, &folder).with_context(|| format!("seed {seed}"))).sum()
            })
        })
        .collect();
    let mut steps = 0;
    for worker in workers {
        steps += worker.join().map_err(|_| anyhow!("a panic"))??;
    }
    std::fs::remove_dir_all(&folder)?;
    println!("{sequences} sequences, {steps} steps, {:.1} s", began.elapsed().as_secs_f64());
    Ok(())
}

// The lifetimes of thirty connections are spread over twelve seconds of the pool's clock.
#[test]
fn connections_opened_together_expire_spread_out() -> Result<()> {
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
