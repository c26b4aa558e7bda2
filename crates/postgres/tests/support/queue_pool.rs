//! A simple model of SQLAlchemy's QueuePool, extended by lingering and by waiting while the server refuses connections.

use std::collections::VecDeque;
use steadfast_postgres::Order;

/// State of a connection record in QueuePool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    Good,
    /// Open, but too old to be handed out.
    Expired,
    /// Closed by the server.
    Dead,
}

/// Outcome for a borrower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Borrowed {
    Given,
    /// The borrower waits until a connection is returned.
    Waits,
    /// The server's refusal, immediately: there is no open session to wait for.
    Refused,
}

/// QueuePool, with one intended difference: where QueuePool keeps the empty record of a broken connection, the slot is
/// discarded.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) size: usize,
    pub(crate) ceiling: usize,
    pub(crate) order: Order,
    pub(crate) lingers: bool,
    /// Idle connections in the order in which they were returned.
    pub(crate) idle: Vec<Record>,
    pub(crate) out: Vec<Record>,
    /// Numbers of the waiting borrowers.
    pub(crate) waiting: VecDeque<usize>,
    /// Number of permits without a session while the server refuses.
    pub(crate) withheld: usize,
    /// Maximum number of permits in use since the running sweep began.
    pub(crate) peak: Option<usize>,
}

impl Model {
    pub(crate) fn new(size: usize, overflow: usize, order: Order, lingers: bool) -> Self {
        Self {
            size,
            ceiling: size + overflow,
            order,
            lingers,
            idle: Vec::new(),
            out: Vec::new(),
            waiting: VecDeque::new(),
            withheld: 0,
            peak: None,
        }
    }

    /// Handles the request of borrower `number`.
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

    /// Returns the borrower that is served by the returned connection, and true if all others are refused.
    pub(crate) fn return_one(&mut self, index: usize, refusing: bool) -> (Option<usize>, bool) {
        let record = self.out.remove(index);
        let is_kept = record == Record::Good && (self.idle.len() < self.size || self.lingers);
        if is_kept {
            self.idle.push(record);
            if self.idle.len() > self.size && self.peak.is_none() {
                self.peak = Some(self.in_use());
            }
        }
        if refusing && !is_kept && !self.waiting.is_empty() {
            if self.withheld == 0 {
                // The first refused borrower queues again.
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
        match (self.idle.is_empty(), self.order) {
            (true, _) => None,
            (_, Order::Lifo) => self.idle.pop(),
            (_, Order::Fifo) => Some(self.idle.remove(0)),
        }
    }

    fn lend(&mut self) {
        self.out.push(Record::Good);
        self.peak = self.peak.map(|peak| peak.max(self.in_use()));
    }

    fn in_use(&self) -> usize {
        self.out.len() + self.withheld
    }

    /// Handles a server that accepts connections again while no borrower waits.
    pub(crate) fn recover(&mut self, prober_connected: bool) {
        self.withheld = 0;
        if prober_connected {
            // Replaces an idle connection, if there is one.
            self.next();
            if self.idle.len() < self.size {
                self.idle.push(Record::Good);
            }
        }
    }

    /// Handles the end of the linger time.
    pub(crate) fn sweep(&mut self) {
        let Some(peak) = self.peak else { return };
        let surplus = self.open().saturating_sub(peak.max(self.size));
        self.idle.drain(..surplus.min(self.idle.len()));
        self.peak = (self.open() > self.size).then(|| self.in_use());
    }

    pub(crate) fn turn_all(&mut self, from: &[Record], to: Record) {
        let all = self.idle.iter_mut().chain(&mut self.out);
        all.filter(|record| from.contains(record)).for_each(|record| *record = to);
    }

    pub(crate) fn open(&self) -> usize {
        self.idle.len() + self.out.len()
    }

    pub(crate) fn sessions(&self) -> usize {
        self.idle.iter().chain(&self.out).filter(|record| **record != Record::Dead).count()
    }
}
