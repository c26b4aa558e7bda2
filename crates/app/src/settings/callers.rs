//! Settings about callers: sessions and the rate of requests.

use super::reader::Reader;
use super::setting::{Default, Kind, Setting};
use std::num::NonZeroU32;
use std::time::Duration;
use steadfast_domain::identity::SessionLimits;
use steadfast_http::RateLimit;

const IDLE_MINUTES: Setting = Setting {
    name: "SESSION_IDLE_MINUTES",
    aliases: &[],
    default: Default::Is("30"),
    kind: Kind::Count(2..=1440),
    help: "Time without a request after which the session of a user ends.",
};
const MAX_HOURS: Setting = Setting {
    name: "SESSION_MAX_HOURS",
    aliases: &[],
    default: Default::Is("12"),
    kind: Kind::Count(1..=168),
    help: "Time after the login at which a session ends, however much it is used.",
};
const RATE_PER_SECOND: Setting = Setting {
    name: "RATE_LIMIT_PER_SECOND",
    aliases: &[],
    default: Default::Is("100"),
    kind: Kind::Count(0..=1_000_000),
    help: "Maximum number of requests per second of each API key or user, in each server. 0 is no limit.",
};
const RATE_BURST: Setting = Setting {
    name: "RATE_LIMIT_BURST",
    aliases: &[],
    default: Default::Is("200"),
    kind: Kind::Count(1..=1_000_000),
    help: "Maximum number of requests that an API key or user may send at once after a rest.",
};

/// All settings of this section, in the order of `--help`.
pub(super) const ALL: &[Setting] = &[IDLE_MINUTES, MAX_HOURS, RATE_PER_SECOND, RATE_BURST];

/// Settings about callers.
#[derive(Clone, Copy, Debug)]
pub struct AdmissionSettings {
    /// Limits of sessions.
    pub sessions: SessionLimits,
    /// Limit of the requests of each caller; `None` if there is none.
    pub rate: Option<RateLimit>,
}

/// Reads the settings about callers.
pub(super) fn read(reader: &mut Reader<'_>) -> AdmissionSettings {
    let minute = Duration::from_secs(60);
    let sessions = SessionLimits {
        idle: minute * reader.count(&IDLE_MINUTES),
        total: 60 * minute * reader.count(&MAX_HOURS),
    };
    let per_second = NonZeroU32::new(reader.count(&RATE_PER_SECOND));
    let burst = NonZeroU32::new(reader.count(&RATE_BURST));
    let rate = per_second.zip(burst).map(|(per_second, burst)| RateLimit { per_second, burst });
    AdmissionSettings { sessions, rate }
}
