//! The task that seals the rows of the trail.

use crate::upkeep::times;
use std::time::Duration;
use steadfast_domain::audit::seals::{ChainEnd, NotedSeal};
use steadfast_repository::audit::{Horizon, Sealing, mark_horizon, seal};
use steadfast_repository::{Error, Store};
use tokio::time::Instant;

/// Time from one attempt to the next.
const SEAL_EVERY: Duration = Duration::from_secs(1);

/// Time from one note of the last seal in the log to the next.
const NOTE_EVERY: Duration = Duration::from_secs(3_600);

/// Time that old transactions may delay the seals before a warning is logged.
const DELAY_MAX: Duration = Duration::from_secs(300);

/// Seals the rows of the trail every second, and logs the last seal once an hour. Never returns.
pub(super) async fn seal_rows(store: &Store) {
    let (mut sealer, mut ticks) = (Sealer::new(store), times(SEAL_EVERY, SEAL_EVERY));
    loop {
        ticks.tick().await;
        match sealer.advance().await {
            Ok(()) => sealer.has_failed = false,
            // The horizon belongs to the server that gave it, which may be another one now.
            Err(error) => {
                sealer.horizon = None;
                if !std::mem::replace(&mut sealer.has_failed, true) {
                    tracing::warn!(%error, "rows of the audit trail were not sealed; retrying every second");
                }
            }
        }
        sealer.note();
    }
}

struct Sealer<'s> {
    store: &'s Store,
    /// Horizon up to which rows are to be sealed, and since when.
    horizon: Option<(Horizon, Instant)>,
    /// Last id for which all rows are sealed.
    complete: i64,
    /// Last seal that this task has created, if it was not logged yet.
    last: Option<ChainEnd>,
    noted_at: Option<Instant>,
    has_failed: bool,
    has_reported_delay: bool,
}

impl<'s> Sealer<'s> {
    fn new(store: &'s Store) -> Self {
        Self {
            store,
            horizon: None,
            complete: 0,
            last: None,
            noted_at: None,
            has_failed: false,
            has_reported_delay: false,
        }
    }

    /// Seals the rows up to the last horizon, and determines the next one.
    async fn advance(&mut self) -> Result<(), Error> {
        if let Some((horizon, since)) = self.horizon {
            loop {
                match seal(self.store, &horizon).await? {
                    Sealing::Sealed(end) => {
                        self.last = Some(end);
                        if end.last_id == horizon.last_id {
                            break;
                        }
                    }
                    Sealing::Complete => break,
                    Sealing::Busy => return Ok(()),
                    Sealing::Waiting => {
                        self.report_delay(since);
                        return Ok(());
                    }
                }
            }
            self.complete = horizon.last_id;
            self.has_reported_delay = false;
        }
        let horizon = mark_horizon(self.store, self.complete).await?;
        self.horizon = horizon.map(|horizon| (horizon, Instant::now()));
        Ok(())
    }

    fn report_delay(&mut self, since: Instant) {
        if since.elapsed() > DELAY_MAX && !std::mem::replace(&mut self.has_reported_delay, true) {
            tracing::warn!(
                "rows of the audit trail cannot be sealed while a writing transaction is open that began minutes ago; \
                 find it with SELECT * FROM pg_stat_activity ORDER BY age(backend_xid) DESC NULLS LAST"
            );
        }
    }

    /// Logs the last seal, unless another one was logged within the hour.
    fn note(&mut self) {
        if self.noted_at.is_none_or(|noted_at| noted_at.elapsed() >= NOTE_EVERY)
            && let Some(ChainEnd { number, hash, .. }) = self.last.take()
        {
            self.noted_at = Some(Instant::now());
            tracing::info!(seal = %NotedSeal { number, hash }, "last seal of the audit trail");
        }
    }
}
