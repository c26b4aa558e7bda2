//! Who is inside a gate and who waits. Open, one word decides; limited, every entry is made under the lock.

use super::rules::{ContentionRules, ContentionSnapshot};
use crate::Deadline;
use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering};
use std::collections::VecDeque;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Timers count in milliseconds: waiting for less would be a busy loop.
const RAISE_EVERY_MIN: Duration = Duration::from_millis(1);
/// Set in the word while the gate is limited; the bits below count who is inside.
const LIMITED: u64 = 1 << 63;

#[derive(Debug)]
pub(super) struct Line {
    rules: ContentionRules,
    word: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// The last contention while limited; its time decides how many may be inside.
    contended_at: Option<Instant>,
    /// In order of arrival. Being told means that a place inside is taken already.
    waiting: VecDeque<oneshot::Sender<()>>,
    contentions: u64,
}

/// How a caller that could not pass stands.
#[derive(Debug)]
pub(super) enum Entry<'a> {
    /// It is inside after all.
    Inside,
    /// So many wait already.
    Full(usize),
    /// It waits.
    Waiting(Waiting<'a>),
}

/// A caller in line. Dropped, it leaves the line, and gives back the place that it may have been given meanwhile.
#[derive(Debug)]
pub(super) struct Waiting<'a> {
    line: &'a Line,
    turn: oneshot::Receiver<()>,
}

impl Line {
    pub(super) fn new(rules: ContentionRules) -> Self {
        let rules = ContentionRules { raise_every: rules.raise_every.max(RAISE_EVERY_MIN), ..rules };
        let inner = Inner { contended_at: None, waiting: VecDeque::new(), contentions: 0 };
        Self { rules, word: AtomicU64::new(0), inner: Mutex::new(inner) }
    }

    /// Takes a place if the gate is open.
    #[inline]
    pub(super) fn try_pass(&self) -> bool {
        let mut seen = self.word.load(Ordering::Relaxed);
        while seen & LIMITED == 0 {
            match self.word.compare_exchange_weak(seen, seen + 1, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => seen = now,
            }
        }
        false
    }

    pub(super) fn is_limited(&self) -> bool {
        self.word.load(Ordering::Relaxed) & LIMITED != 0
    }

    /// Takes a place if there is one and nobody waits for it, else one in line.
    pub(super) fn line_up(&self) -> Entry<'_> {
        let (mut inner, now) = (self.lock(), Instant::now());
        self.admit(&mut inner, now);
        // A place that is free now is wanted by nobody who came before.
        if self.has_place(&inner, now) {
            self.word.fetch_add(1, Ordering::AcqRel);
            return Entry::Inside;
        }
        if inner.waiting.len() >= self.rules.queue {
            return Entry::Full(inner.waiting.len());
        }
        let (teller, turn) = oneshot::channel();
        inner.waiting.push_back(teller);
        Entry::Waiting(Waiting { line: self, turn })
    }

    /// Gives a place back.
    #[inline]
    pub(super) fn leave(&self) {
        if self.word.fetch_sub(1, Ordering::AcqRel) & LIMITED != 0 {
            self.raise();
        }
    }

    /// Limits the gate to one. Answers how often that happened.
    pub(super) fn contended(&self) -> u64 {
        let mut inner = self.lock();
        inner.contended_at = Some(Instant::now());
        inner.contentions += 1;
        self.word.fetch_or(LIMITED, Ordering::AcqRel);
        inner.contentions
    }

    /// Lets in whom the time that has passed lets in.
    #[cold]
    pub(super) fn raise(&self) {
        self.admit(&mut self.lock(), Instant::now());
    }

    /// When [`Line::raise`] is worth calling again.
    pub(super) fn next_raise(&self) -> Instant {
        let (inner, now) = (self.lock(), Instant::now());
        let Some(at) = inner.contended_at else { return now };
        let steps = self.steps(now.saturating_duration_since(at)).saturating_add(1);
        let until_step = self.rules.raise_every.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX));
        Deadline::from_start(at, until_step.min(self.rules.open_after)).instant()
    }

    pub(super) fn snapshot(&self) -> ContentionSnapshot {
        let (mut inner, now) = (self.lock(), Instant::now());
        self.admit(&mut inner, now);
        ContentionSnapshot {
            inside: self.inside(),
            waiting: inner.waiting.len(),
            limit: self.limit(&inner, now),
            contentions: inner.contentions,
        }
    }

    /// Opens the gate when it was quiet for long enough, and lets in those for whom there is a place.
    fn admit(&self, inner: &mut Inner, now: Instant) {
        if self.limit(inner, now).is_none() {
            inner.contended_at = None;
            self.word.fetch_and(!LIMITED, Ordering::AcqRel);
        }
        while self.has_place(inner, now)
            && let Some(next) = inner.waiting.pop_front()
        {
            self.word.fetch_add(1, Ordering::AcqRel);
            if next.send(()).is_err() {
                // It left the line. Under the lock the place goes straight to the one behind it.
                self.word.fetch_sub(1, Ordering::AcqRel);
            }
        }
    }

    fn has_place(&self, inner: &Inner, now: Instant) -> bool {
        self.limit(inner, now).is_none_or(|limit| self.inside() < limit)
    }

    /// How many may be inside; nothing when it is, or is about to be, open.
    fn limit(&self, inner: &Inner, now: Instant) -> Option<u64> {
        let quiet = now.saturating_duration_since(inner.contended_at?);
        (quiet < self.rules.open_after).then(|| self.steps(quiet).saturating_add(1))
    }

    fn steps(&self, quiet: Duration) -> u64 {
        let steps = quiet.as_nanos() / self.rules.raise_every.as_nanos();
        u64::try_from(steps).unwrap_or(u64::MAX)
    }

    fn inside(&self) -> u64 {
        self.word.load(Ordering::Acquire) & !LIMITED
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting<'_> {
    /// Ends when a place was taken for this caller. Asked no more after that.
    pub(super) async fn turn(&mut self) {
        if (&mut self.turn).await.is_err() {
            // The line forgets a waiting caller only by telling it, and the caller borrows the line.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.turn.close();
        if self.turn.try_recv().is_ok() {
            return self.line.leave();
        }
        self.line.lock().waiting.retain(|teller| !teller.is_closed());
    }
}
