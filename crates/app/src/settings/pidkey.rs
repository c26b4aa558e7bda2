//! Settings of the client of PIDKey.com.

use super::reader::Reader;
use super::setting::{Default, Kind, Setting};
use std::num::NonZeroU32;
use steadfast_pidkey::Settings as PidkeySettings;
use steadfast_resilience::BreakerConfig;

const API_KEY: Setting = Setting {
    name: "PIDKEY_API_KEY",
    aliases: &[],
    default: Default::Is(""),
    kind: Kind::Secret,
    help: "API key of the account at PIDKey.com. Without it, everything works except checks of product keys.",
};
const BASE_URL: Setting = Setting {
    name: "PIDKEY_BASE_URL",
    aliases: &[],
    default: Default::Is(steadfast_pidkey::DEFAULT_BASE_URL),
    kind: Kind::Text,
    help: "URL of PIDKey.com or of a sandbox.",
};
const TIMEOUT: Setting = Setting {
    name: "PIDKEY_TIMEOUT",
    aliases: &[],
    default: Default::Is("30"),
    kind: Kind::Seconds(1..=30),
    help: "Timeout of one attempt. Three attempts and the delays between them must fit into the 110 s of a check.",
};
const REQUESTS_PER_SECOND: Setting = Setting {
    name: "PIDKEY_REQUESTS_PER_SECOND",
    aliases: &[],
    default: Default::Is("5"),
    kind: Kind::Count(1..=1000),
    help: "Maximum number of requests per second to PIDKey.com.",
};
const FAILURE_THRESHOLD: Setting = Setting {
    name: "PIDKEY_FAILURE_THRESHOLD",
    aliases: &[],
    default: Default::Is("5"),
    kind: Kind::Count(1..=1000),
    help: "Number of consecutive failures that open the circuit breaker: no requests are sent to PIDKey.com.",
};
const RECOVERY_TIMEOUT: Setting = Setting {
    name: "PIDKEY_RECOVERY_TIMEOUT",
    aliases: &[],
    default: Default::Is("60"),
    kind: Kind::Seconds(1..=3600),
    help: "Time for which the circuit breaker remains open.",
};

/// All settings of this section, in the order of `--help`.
pub(super) const ALL: &[Setting] =
    &[API_KEY, BASE_URL, TIMEOUT, REQUESTS_PER_SECOND, FAILURE_THRESHOLD, RECOVERY_TIMEOUT];

/// Reads the settings of the client of PIDKey.com.
pub(super) fn read(reader: &mut Reader<'_>) -> PidkeySettings {
    let failures = reader.count(&FAILURE_THRESHOLD);
    PidkeySettings {
        base_url: reader.text(&BASE_URL),
        try_timeout: reader.seconds(&TIMEOUT),
        requests_per_second: NonZeroU32::new(reader.count(&REQUESTS_PER_SECOND)).unwrap_or(NonZeroU32::MIN),
        breaker: BreakerConfig::consecutive(failures, reader.seconds(&RECOVERY_TIMEOUT)),
        ..PidkeySettings::new(reader.secret(&API_KEY))
    }
}
