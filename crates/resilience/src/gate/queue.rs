//! Slots and waiting callers of a gate. While the gate is open, one atomic word decides; while it is limited, every entry
//! takes the lock.

use super::rules::{ContentionRules, ContentionSnapshot};
use crate::Deadline;
use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering};
use std::collections::VecDeque;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Resolution of tokio's timers. Shorter waits would be a busy loop.
const RAISE_EVERY_MIN: Duration = Duration::from_millis(1);
/// Bit of the word that is set while the gate is limited. The bits below it count the callers inside.
const LIMITED: u64 = 1 << 63;

#[derive(Debug)]
pub(super) struct Queue {
    rules: ContentionRules,
    word: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Time of the last contention while the gate is limited. The limit rises with the time since then.
    contended_at: Option<Instant>,
    /// Waiting callers in order of arrival. A caller is notified after its slot has been taken for it.
    waiting: VecDeque<oneshot::Sender<()>>,
    contentions: u64,
}

/// Result of [`Queue::enter_or_wait`].
#[derive(Debug)]
pub(super) enum Entry<'a> {
    /// The caller is inside.
    Inside,
    /// The queue is full, with this number of waiting callers.
    Full(usize),
    /// The caller waits.
    Waiting(Waiting<'a>),
}

/// A waiting caller. Dropping it leaves the queue and returns the slot if one has been taken for it.
#[derive(Debug)]
pub(super) struct Waiting<'a> {
    queue: &'a Queue,
    turn: oneshot::Receiver<()>,
}

impl Queue {
    pub(super) fn new(rules: ContentionRules) -> Self {
        let rules = ContentionRules { raise_every: rules.raise_every.max(RAISE_EVERY_MIN), ..rules };
        let inner = Inner { contended_at: None, waiting: VecDeque::new(), contentions: 0 };
        Self { rules, word: AtomicU64::new(0), inner: Mutex::new(inner) }
    }

    /// Takes a slot if the gate is open.
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

    /// Takes a free slot that no earlier caller waits for, or joins the queue.
    pub(super) fn enter_or_wait(&self) -> Entry<'_> {
        let (mut inner, now) = (self.lock(), Instant::now());
        self.admit(&mut inner, now);
        // `admit` served the waiting callers first, so a slot that is still free belongs to no earlier caller.
        if self.has_slot(&inner, now) {
            self.word.fetch_add(1, Ordering::AcqRel);
            return Entry::Inside;
        }
        if inner.waiting.len() >= self.rules.queue {
            return Entry::Full(inner.waiting.len());
        }
        let (sender, turn) = oneshot::channel();
        inner.waiting.push_back(sender);
        Entry::Waiting(Waiting { queue: self, turn })
    }

    /// Returns a slot.
    #[inline]
    pub(super) fn leave(&self) {
        if self.word.fetch_sub(1, Ordering::AcqRel) & LIMITED != 0 {
            self.raise();
        }
    }

    /// Limits the gate to one caller. Returns the number of contentions so far.
    pub(super) fn contended(&self) -> u64 {
        let mut inner = self.lock();
        inner.contended_at = Some(Instant::now());
        inner.contentions += 1;
        self.word.fetch_or(LIMITED, Ordering::AcqRel);
        inner.contentions
    }

    /// Admits the callers that the elapsed time allows.
    #[cold]
    pub(super) fn raise(&self) {
        self.admit(&mut self.lock(), Instant::now());
    }

    /// Returns the time at which [`Queue::raise`] can next admit a caller.
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

    /// Opens the gate after a long enough quiet time, and admits waiting callers while there are free slots.
    fn admit(&self, inner: &mut Inner, now: Instant) {
        if self.limit(inner, now).is_none() {
            inner.contended_at = None;
            self.word.fetch_and(!LIMITED, Ordering::AcqRel);
        }
        while self.has_slot(inner, now)
            && let Some(next) = inner.waiting.pop_front()
        {
            self.word.fetch_add(1, Ordering::AcqRel);
            if next.send(()).is_err() {
                // The caller has left. Under the lock the slot goes straight to the next one.
                self.word.fetch_sub(1, Ordering::AcqRel);
            }
        }
    }

    fn has_slot(&self, inner: &Inner, now: Instant) -> bool {
        self.limit(inner, now).is_none_or(|limit| self.inside() < limit)
    }

    /// Returns the maximum number of callers inside, or `None` if the gate is open or about to open.
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
    /// Completes when a slot has been taken for this caller. Must not be called again after that.
    pub(super) async fn turn(&mut self) {
        if (&mut self.turn).await.is_err() {
            // Unreachable: the queue drops a sender only after using it, and this caller borrows the queue.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.turn.close();
        if self.turn.try_recv().is_ok() {
            return self.queue.leave();
        }
        self.queue.lock().waiting.retain(|sender| !sender.is_closed());
    }
}
