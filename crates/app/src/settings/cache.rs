//! The cache: where Redis is, how long answers are kept, how much the process keeps itself.

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
    help: "Whether answers are kept at all. Without, every one comes from the database, and none when that is down: for \
           measurements.",
};
pub(crate) const URL: Setting = Setting {
    name: "REDIS_URL",
    aliases: &[],
    default: Default::Is(""),
    kind: Kind::Secret,
    help: "Redis, as redis://[user:password@]host[:port][/db], rediss:// for TLS. Goes before REDIS_HOST and its like. \
           Without REDIS_URL and REDIS_HOST each server keeps answers in its own process alone.",
};
const HOST: Setting = Setting {
    name: "REDIS_HOST",
    aliases: &[],
    default: Default::Is(""),
    kind: Kind::Text,
    help: "The host of Redis, where it is not named by REDIS_URL.",
};
const PORT: Setting = Setting {
    name: "REDIS_PORT",
    aliases: &[],
    default: Default::Is("6379"),
    kind: Kind::Count(1..=65_535),
    help: "The port of REDIS_HOST.",
};
const DB: Setting = Setting {
    name: "REDIS_DB",
    aliases: &[],
    default: Default::Is("0"),
    kind: Kind::Count(0..=65_535),
    help: "The number of the database on REDIS_HOST.",
};
const PASSWORD: Setting = Setting {
    name: "REDIS_PASSWORD",
    aliases: &[],
    default: Default::Is(""),
    kind: Kind::Secret,
    help: "The password of REDIS_HOST.",
};
const TLS: Setting = Setting {
    name: "REDIS_TLS",
    aliases: &[],
    default: Default::Is("false"),
    kind: Kind::Flag,
    help: "Whether the connection to REDIS_HOST is encrypted, and its certificate checked against the authorities that \
           the operating system believes.",
};
const TTL: Setting = Setting {
    name: "CACHE_TTL",
    aliases: &["REDIS_TTL"],
    default: Default::Is("3600"),
    kind: Kind::Seconds(1..=604_800),
    help: "How long an answer is kept, give or take a tenth. For another day it is served, flagged as stale, while the \
           database is down.",
};
const MAX_SIZE: Setting = Setting {
    name: "CACHE_MAX_SIZE",
    aliases: &[],
    default: Default::Is("1000"),
    kind: Kind::Count(1..=1_000_000),
    help: "Answers that the process keeps itself. One takes a place for each 16 KiB begun.",
};
const FAILURE_THRESHOLD: Setting = Setting {
    name: "REDIS_FAILURE_THRESHOLD",
    aliases: &[],
    default: Default::Is("5"),
    kind: Kind::Count(1..=1000),
    help: "Failures in a row after which Redis is not asked for a while. Answers then come from the process and the \
           database.",
};
const RECOVERY_TIMEOUT: Setting = Setting {
    name: "REDIS_RECOVERY_TIMEOUT",
    aliases: &[],
    default: Default::Is("60"),
    kind: Kind::Seconds(1..=3600),
    help: "How long it is not asked then, at most: it is asked again as soon as it answers a sign of life.",
};

/// All settings of this room, in the order of `--help`.
pub(super) const ALL: &[Setting] =
    &[ENABLED, URL, HOST, PORT, DB, PASSWORD, TLS, TTL, MAX_SIZE, FAILURE_THRESHOLD, RECOVERY_TIMEOUT];

/// The cache, as the environment says; nothing when it is switched off.
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

/// Every part is read, so that a wrong one is named also where it is of no use.
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
