//! PIDKey.com: where it answers, the key of the account, how it is spared.

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
    help: "The API key of the account at PIDKey.com. Without it everything works but the check of keys.",
};
const BASE_URL: Setting = Setting {
    name: "PIDKEY_BASE_URL",
    aliases: &[],
    default: Default::Is(steadfast_pidkey::DEFAULT_BASE_URL),
    kind: Kind::Text,
    help: "Where PIDKey.com, or a stand-in of it, answers.",
};
const TIMEOUT: Setting = Setting {
    name: "PIDKEY_TIMEOUT",
    aliases: &[],
    default: Default::Is("30"),
    kind: Kind::Seconds(1..=30),
    help: "The time for one try. Three tries and the pauses between have to fit into the 110 s of a check.",
};
const REQUESTS_PER_SECOND: Setting = Setting {
    name: "PIDKEY_REQUESTS_PER_SECOND",
    aliases: &[],
    default: Default::Is("5"),
    kind: Kind::Count(1..=1000),
    help: "Requests a second that are sent to PIDKey.com at most.",
};
const FAILURE_THRESHOLD: Setting = Setting {
    name: "PIDKEY_FAILURE_THRESHOLD",
    aliases: &[],
    default: Default::Is("5"),
    kind: Kind::Count(1..=1000),
    help: "Failures in a row after which PIDKey.com is not asked for a while.",
};
const RECOVERY_TIMEOUT: Setting = Setting {
    name: "PIDKEY_RECOVERY_TIMEOUT",
    aliases: &[],
    default: Default::Is("60"),
    kind: Kind::Seconds(1..=3600),
    help: "How long it is not asked then.",
};

/// All settings of this room, in the order of `--help`.
pub(super) const ALL: &[Setting] =
    &[API_KEY, BASE_URL, TIMEOUT, REQUESTS_PER_SECOND, FAILURE_THRESHOLD, RECOVERY_TIMEOUT];

/// PIDKey.com, as the environment says.
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
