//! Times of regular work.

use std::time::Duration;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// Returns the times of work that is done first after `first` and then once per `period`, counted from the end of the
/// work if it takes longer.
pub(crate) fn times(first: Duration, period: Duration) -> Interval {
    let mut times = interval_at(Instant::now() + first, period);
    times.set_missed_tick_behavior(MissedTickBehavior::Delay);
    times
}
