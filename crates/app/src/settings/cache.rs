//! Settings of the cache: address of Redis, time to live, size.

use super::reader::Reader;
use super::setting::{Default, Kind, Setting};
use secrecy::ExposeSecret as _;
use std::time::Duration;
use steadfast_cache::{CacheSettings, RedisAddress, RedisSettings};
use steadfast_resilience::BreakerConfig;

const ENABLED: Setting = Setting {
    name: "CACHE_ENABLED",
    aliases: &[],
    default: Default::Is("true"),
    kind: Kind::Flag,
    help: "If false, nothing is cached: every answer comes from the database, and there are none while it is \
           unavailable. For measurements.",
};
pub(crate) const URL: Setting = Setting {
    name: "REDIS_URL",
    aliases: &[],
    default: Default::Is(""),
    kind: Kind::Secret,
    help: "URL of Redis: redis://[user:password@]host[:port][/db], rediss:// for TLS. Takes precedence over REDIS_HOST \
           and the settings that belong to it. Without REDIS_URL and REDIS_HOST, each server caches answers only in \
           its own process.",
};
const HOST: Setting = Setting {
    name: "REDIS_HOST",
    aliases: &[],
    default: Default::Is(""),
    kind: Kind::Text,
    help: "Host of Redis, if REDIS_URL is not set.",
};
const PORT: Setting = Setting {
    name: "REDIS_PORT",
    aliases: &[],
    default: Default::Is("6379"),
    kind: Kind::Count(1..=65_535),
    help: "Port of REDIS_HOST.",
};
const DB: Setting = Setting {
    name: "REDIS_DB",
    aliases: &[],
    default: Default::Is("0"),
    kind: Kind::Count(0..=65_535),
    help: "Number of the database on REDIS_HOST.",
};
const PASSWORD: Setting = Setting {
    name: "REDIS_PASSWORD",
    aliases: &[],
    default: Default::Is(""),
    kind: Kind::Secret,
    help: "Password of REDIS_HOST.",
};
const TLS: Setting = Setting {
    name: "REDIS_TLS",
    aliases: &[],
    default: Default::Is("false"),
    kind: Kind::Flag,
    help: "If true, the connection to REDIS_HOST is encrypted, and its certificate must be from an authority that the \
           operating system trusts.",
};
const TTL: Setting = Setting {
    name: "CACHE_TTL",
    aliases: &["REDIS_TTL"],
    default: Default::Is("3600"),
    kind: Kind::Seconds(1..=604_800),
    help: "Time for which an answer is cached, plus or minus a tenth. For another day it is served as stale while the \
           database is unavailable.",
};
const MAX_SIZE: Setting = Setting {
    name: "CACHE_MAX_SIZE",
    aliases: &[],
    default: Default::Is("1000"),
    kind: Kind::Count(1..=1_000_000),
    help: "Maximum number of answers that are cached in the process. An answer counts once per 16 KiB or part of it.",
};
const FAILURE_THRESHOLD: Setting = Setting {
    name: "REDIS_FAILURE_THRESHOLD",
    aliases: &[],
    default: Default::Is("5"),
    kind: Kind::Count(1..=1000),
    help: "Number of consecutive failures that open the circuit breaker: answers come from the process and the \
           database.",
};
const RECOVERY_TIMEOUT: Setting = Setting {
    name: "REDIS_RECOVERY_TIMEOUT",
    aliases: &[],
    default: Default::Is("60"),
    kind: Kind::Seconds(1..=3600),
    help: "Maximum time for which the circuit breaker remains open. It closes as soon as Redis answers a ping.",
};

/// All settings of this section, in the order of `--help`.
pub(super) const ALL: &[Setting] =
    &[ENABLED, URL, HOST, PORT, DB, PASSWORD, TLS, TTL, MAX_SIZE, FAILURE_THRESHOLD, RECOVERY_TIMEOUT];

/// Reads the settings of the cache. Returns `None` if it is disabled.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<CacheSettings> {
    let is_enabled = reader.flag(&ENABLED);
    let address = address(reader);
    let breaker =
        BreakerConfig::consecutive(reader.count(&FAILURE_THRESHOLD), reader.seconds(&RECOVERY_TIMEOUT));
    let library = CacheSettings::default();
    let ttl: Duration = reader.seconds(&TTL);
    let settings = CacheSettings {
        redis: address.map(|address| RedisSettings { breaker, ..RedisSettings::new(address) }),
        ttl,
        negative_ttl: library.negative_ttl.min(ttl),
        max_entries: reader.count(&MAX_SIZE),
        ..library
    };
    is_enabled.then_some(settings)
}

/// Reads the address of Redis. Reads all parts, so that an invalid one is reported even if it has no effect.
fn address(reader: &mut Reader<'_>) -> Option<RedisAddress> {
    let (url, host) = (reader.secret(&URL), reader.text(&HOST));
    // The range of the setting is that of a port.
    let port = u16::try_from(reader.count(&PORT)).unwrap_or_default();
    let (db, password, tls) = (reader.count(&DB), reader.secret(&PASSWORD), reader.flag(&TLS));
    if !url.expose_secret().is_empty() {
        return Some(RedisAddress::Url(url));
    }
    (!host.is_empty()).then_some(RedisAddress::Parts { host, port, db, password, tls })
}
