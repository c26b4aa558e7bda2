//! A plain model of SQLAlchemy's QueuePool, with what the pool adds to it: linger, and waiting while the server refuses.

use std::collections::VecDeque;
use steadfast_postgres::Order;

/// A connection, as QueuePool's ledger has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    Good,
    /// Open, and not to be handed out again: it is too old.
    Spent,
    /// Cut by the server.
    Dead,
}

/// What a borrower gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Borrowed {
    Given,
    /// Nothing until somebody returns a connection.
    Waits,
    /// The server's refusal, at once: no session is open for which it could wait.
    Refused,
}

/// QueuePool. One difference is meant: where QueuePool keeps the empty record of a connection that broke in line, the
/// place is given up.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) size: usize,
    pub(crate) ceiling: usize,
    pub(crate) order: Order,
    pub(crate) lingers: bool,
    /// In the order in which they were returned.
    pub(crate) resting: Vec<Record>,
    pub(crate) out: Vec<Record>,
    /// Borrowers that wait, by number.
    pub(crate) waiting: VecDeque<usize>,
    /// Turns without a session, while the server refuses.
    pub(crate) withheld: usize,
    /// Most turns in use since the sweep of lingering connections began to watch, if it does.
    pub(crate) peak: Option<usize>,
}

impl Model {
    pub(crate) fn new(size: usize, overflow: usize, order: Order, lingers: bool) -> Self {
        Self {
            size,
            ceiling: size + overflow,
            order,
            lingers,
            resting: Vec::new(),
            out: Vec::new(),
            waiting: VecDeque::new(),
            withheld: 0,
            peak: None,
        }
    }

    /// The borrower `number` asks for a connection.
    pub(crate) fn borrow_one(&mut self, number: usize, refusing: bool) -> Borrowed {
        while self.out.len() + self.withheld < self.ceiling {
            if self.next() == Some(Record::Good) || !refusing {
                self.lend();
                return Borrowed::Given;
            }
            if self.sessions() == 0 {
                return Borrowed::Refused;
            }
            self.withheld += 1;
        }
        self.waiting.push_back(number);
        Borrowed::Waits
    }

    /// Returns who is served by what is returned, and whether all others are refused.
    pub(crate) fn give_back(&mut self, index: usize, refusing: bool) -> (Option<usize>, bool) {
        let record = self.out.remove(index);
        let is_kept = record == Record::Good && (self.resting.len() < self.size || self.lingers);
        if is_kept {
            self.resting.push(record);
            if self.resting.len() > self.size && self.peak.is_none() {
                self.peak = Some(self.in_use());
            }
        }
        if refusing && !is_kept && !self.waiting.is_empty() {
            if self.withheld == 0 {
                // The first that is refused queues again.
                self.waiting.rotate_left(1);
            }
            self.withheld += 1;
            return (None, self.sessions() == 0);
        }
        let served = self.waiting.pop_front();
        if served.is_some() {
            self.next();
            self.lend();
        }
        (served, false)
    }

    fn next(&mut self) -> Option<Record> {
        match (self.resting.is_empty(), self.order) {
            (true, _) => None,
            (_, Order::Lifo) => self.resting.pop(),
            (_, Order::Fifo) => Some(self.resting.remove(0)),
        }
    }

    fn lend(&mut self) {
        self.out.push(Record::Good);
        self.peak = self.peak.map(|peak| peak.max(self.in_use()));
    }

    fn in_use(&self) -> usize {
        self.out.len() + self.withheld
    }

    /// The server accepts connections again, and nobody waits.
    pub(crate) fn recover(&mut self, prober_connected: bool) {
        self.withheld = 0;
        if prober_connected {
            // In place of one that rested, if there is one.
            self.next();
            if self.resting.len() < self.size {
                self.resting.push(Record::Good);
            }
        }
    }

    /// The time to linger is over.
    pub(crate) fn sweep(&mut self) {
        let Some(peak) = self.peak else { return };
        let surplus = self.open().saturating_sub(peak.max(self.size));
        self.resting.drain(..surplus.min(self.resting.len()));
        self.peak = (self.open() > self.size).then(|| self.in_use());
    }

    pub(crate) fn turn_all(&mut self, from: &[Record], to: Record) {
        let all = self.resting.iter_mut().chain(&mut self.out);
        all.filter(|record| from.contains(record)).for_each(|record| *record = to);
    }

    pub(crate) fn open(&self) -> usize {
        self.resting.len() + self.out.len()
    }

    pub(crate) fn sessions(&self) -> usize {
        self.resting.iter().chain(&self.out).filter(|record| **record != Record::Dead).count()
    }
}
