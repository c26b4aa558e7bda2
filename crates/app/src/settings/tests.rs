//! Tests of settings.

use super::unknown::{known_names, unknown};
use super::*;
use secrecy::ExposeSecret;
use std::collections::HashSet;
use std::time::Duration;
use steadfast_cache::{RedisAddress, RedisSettings};
use steadfast_domain::identity::SessionLimits;
use steadfast_http::ServeSettings;
use steadfast_postgres::{DbSettings, PoolSettings, TlsRoots};
use steadfast_services::audit::RETENTION_DAYS;

const URL: (&str, &str) = ("DATABASE_URL", "postgres://app:S3CRET@db/steadfast");

fn read(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    Settings::read(&|name| {
        variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    })
}

fn read_with(variable: (&str, &str)) -> Result<Settings, SettingsError> {
    read(&[URL, variable])
}

fn refused(variables: &[(&str, &str)]) -> String {
    read(variables).expect_err("refused").to_string()
}

#[test]
fn defaults_are_those_of_libraries() {
    let settings = read(&[URL]).expect("settings");
    assert_eq!(settings.database.url.expose_secret(), URL.1);
    let DbSettings { pool, breaker, slow_after, .. } = settings.database.db;
    let library = DbSettings::default();
    assert_eq!((breaker, slow_after), (library.breaker, library.slow_after));
    let expected = PoolSettings { session: pool.session.clone(), ..PoolSettings::default() };
    assert_eq!(pool, expected);
    assert_eq!(pool.session.statement_timeout, Duration::from_secs(30));
    assert_eq!(settings.http.serve, ServeSettings::default());
    assert_eq!((settings.http.host.as_str(), settings.http.port), ("127.0.0.1", 8080));
    let library = PidkeySettings::new("".into());
    assert_eq!(settings.pidkey.base_url, library.base_url);
    assert_eq!(settings.pidkey.try_timeout, library.try_timeout);
    assert_eq!(settings.pidkey.breaker, library.breaker);
    assert_eq!(settings.pidkey.requests_per_second, library.requests_per_second);
    assert_eq!(settings.audit_retention_days, RETENTION_DAYS);
    assert_eq!(settings.log, LogSettings::default());
}

#[test]
fn connections_per_address_can_be_limited() {
    let limited = read_with(("HTTP_MAX_CONNECTIONS_PER_ADDRESS", "64")).expect("settings").http.serve;
    assert_eq!(limited.max_connections_per_address, Some(64));
    assert_eq!(ServeSettings::default().max_connections_per_address, None);
}

#[test]
fn sessions_and_rates_are_limited_unless_rate_is_zero() {
    let callers = read(&[URL]).expect("settings").callers;
    assert_eq!(callers.sessions, SessionLimits::default());
    assert_eq!(callers.rate.map(|rate| (rate.per_second.get(), rate.burst.get())), Some((100, 200)));
    let changed =
        [URL, ("SESSION_IDLE_MINUTES", "5"), ("SESSION_MAX_HOURS", "1"), ("RATE_LIMIT_PER_SECOND", "0")];
    let callers = read(&changed).expect("settings").callers;
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    assert_eq!(callers.sessions, SessionLimits { idle: minutes(5), total: minutes(60) });
    assert_eq!(callers.rate, None);
}

#[test]
fn redis_needs_address() {
    let cache = read(&[URL, ("REDIS_PORT", "7000")]).expect("settings").cache.expect("a cache");
    let library = CacheSettings::default();
    assert!(cache.redis.is_none());
    assert_eq!((cache.ttl, cache.negative_ttl), (library.ttl, library.negative_ttl));
    assert_eq!((cache.max_entries, cache.stale_for), (library.max_entries, library.stale_for));
    let shorter = read_with(("REDIS_TTL", "60")).expect("settings").cache.expect("a cache");
    assert_eq!(shorter.ttl, Duration::from_secs(60));
}

#[test]
fn cache_can_be_disabled() {
    assert!(read_with(("CACHE_ENABLED", "false")).expect("settings").cache.is_none());
}

#[test]
fn redis_url_takes_precedence_over_host() {
    let redis = |variables: &[(&str, &str)]| {
        let all: Vec<_> = [URL].iter().chain(variables).copied().collect();
        read(&all).expect("settings").cache.and_then(|cache| cache.redis).expect("Redis")
    };
    let by_host = redis(&[("REDIS_HOST", "cache"), ("REDIS_DB", "3"), ("REDIS_TLS", "yes")]);
    let RedisAddress::Parts { host, port, db, tls, .. } = &by_host.address else { panic!("{by_host:?}") };
    assert_eq!((host.as_str(), *port, *db, *tls), ("cache", 6379, 3, true));
    assert_eq!(by_host.breaker, RedisSettings::at("redis://cache").breaker);
    let by_url = redis(&[("REDIS_HOST", "cache"), ("REDIS_URL", "redis://other")]);
    assert!(matches!(by_url.address, RedisAddress::Url(_)));
}

#[test]
fn tls_authorities_are_read_from_file() {
    let roots = |settings: Settings| settings.database.db.pool.session.tls_roots;
    assert_eq!(roots(read(&[URL]).expect("settings")), TlsRoots::Platform);
    for name in ["DB_TLS_CA_FILE", "PGSSLROOTCERT"] {
        let settings = read_with((name, "/etc/pg/ca.pem")).expect("settings");
        assert_eq!(roots(settings), TlsRoots::File("/etc/pg/ca.pem".into()), "{name}");
    }
}

#[test]
fn variables_take_precedence_over_profile() {
    let pool = |variables: &[(&str, &str)]| {
        let all: Vec<_> = [URL].iter().chain(variables).copied().collect();
        let pool = read(&all).expect("settings").database.db.pool;
        (pool.pool_size, pool.max_overflow, pool.recycle.as_secs())
    };
    assert_eq!(pool(&[("DB_PROFILE", "Development")]), (5, 5, 3600));
    assert_eq!(pool(&[("DB_PROFILE", "high")]), (20, 30, 3600));
    assert_eq!(pool(&[("DB_PROFILE", "jobs")]), (10, 20, 300));
    assert_eq!(pool(&[("DB_PROFILE", "jobs"), ("DB_POOL_SIZE", "3")]), (3, 20, 300));
    assert_eq!(pool(&[("POOL_RECYCLE", "60"), ("MAX_OVERFLOW", "0")]), (20, 0, 60));
}

#[test]
fn name_takes_precedence_over_aliases() {
    let http = read(&[URL, ("PORT", "1"), ("HTTP_PORT", "2"), ("HOST", "::1"), ("HTTP_HOST", " ")]);
    let http = http.expect("settings").http;
    assert_eq!((http.host.as_str(), http.port), ("::1", 2));
}

#[test]
fn error_names_all_invalid_variables_with_allowed_values() {
    let text = refused(&[("PORT", "70000"), ("DB_POOL_PRE_PING", "perhaps"), ("DB_PROFILE", "huge")]);
    for part in [
        "DATABASE_URL is required",
        "PORT must be a whole number from 0 to 65535, not \"70000\"",
        "DB_POOL_PRE_PING must be true or false",
        "DB_PROFILE must be development, production, high, jobs",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn rejects_numbers_out_of_range() {
    for wrong in [
        ("DB_POOL_SIZE", "0"),
        ("DB_POOL_SIZE", "-1"),
        ("DB_POOL_SIZE", "1e3"),
        ("DB_POOL_TIMEOUT", "NaN"),
        ("DB_POOL_TIMEOUT", "inf"),
        ("DB_POOL_TIMEOUT", "-0.1"),
        ("DATABASE_RECOVERY_TIMEOUT", "0"),
        ("PIDKEY_REQUESTS_PER_SECOND", "0"),
        ("PIDKEY_TIMEOUT", "31"),
        ("REDIS_PORT", "0"),
        ("REDIS_DB", "-1"),
        ("CACHE_TTL", "0"),
        ("CACHE_MAX_SIZE", "0"),
        ("REDIS_FAILURE_THRESHOLD", "0"),
        ("AUDIT_LOG_RETENTION_DAYS", "29"),
    ] {
        let error = read_with(wrong).expect_err("refused").to_string();
        assert!(error.contains(wrong.0), "{wrong:?}: {error}");
    }
    let slow = read_with(("DB_SLOW_QUERY_THRESHOLD", "0.25")).expect("settings").database.db.slow_after;
    assert_eq!(slow, Duration::from_millis(250));
}

#[test]
fn secrets_are_never_shown() {
    for secret in [
        &[("PIDKEY_API_KEY", "S3CRET")][..],
        &[("REDIS_HOST", "cache"), ("REDIS_PASSWORD", "S3CRET")],
        &[("REDIS_URL", "redis://:S3CRET@cache")],
    ] {
        let variables = [&[URL], secret].concat();
        let settings = read(&variables).expect("settings");
        assert!(!format!("{settings:?}").contains("S3CRET"));
        assert!(!refused(&[&variables[..], &[("PORT", "x")]].concat()).contains("S3CRET"));
    }
}

#[test]
fn help_documents_every_setting_once() {
    let (text, mut names) = (help(), HashSet::new());
    for setting in SECTIONS.iter().flat_map(|(_, settings)| settings.iter()) {
        for name in std::iter::once(&setting.name).chain(setting.aliases) {
            assert!(names.insert(*name), "{name} is used twice");
            assert!(text.contains(name), "{name} is not documented");
        }
        assert!(setting.help.len() > 10 && text.contains(setting.help), "{}", setting.name);
    }
}

#[test]
fn every_default_is_allowed() {
    // A default that its own setting rejects would be an error here.
    assert!(read(&[URL]).is_ok());
    for setting in SECTIONS.iter().flat_map(|(_, settings)| settings.iter()) {
        let setting::Default::Is(text) = setting.default else { continue };
        if !text.is_empty() {
            assert!(read(&[URL, (setting.name, text)]).is_ok(), "{}", setting.name);
        }
    }
}

#[test]
fn unknown_variables_are_reported_with_nearest_setting() {
    let unknown = |name: &str| unknown([name.to_owned()]).pop().map(|unknown| unknown.nearest);
    for (name, nearest) in [
        ("DB_POOL_SIZ", "DB_POOL_SIZE"),
        ("DB_STATEMNET_TIMEOUT", "DB_STATEMENT_TIMEOUT"),
        ("HTTP_MAX_CONNECTION", "HTTP_MAX_CONNECTIONS"),
        ("REDIS_PASSWORT", "REDIS_PASSWORD"),
        ("LOG_LEVLE", "LOG_LEVEL"),
        ("cache_ttl", "CACHE_TTL"),
        ("DATABASE_URI", "DATABASE_URL"),
        ("PIDKEY_APIKEY", "PIDKEY_API_KEY"),
    ] {
        assert_eq!(unknown(name).as_deref(), Some(nearest), "{name}");
    }
}

#[test]
fn settings_and_variables_of_other_programs_are_not_unknown() {
    let names = SECTIONS.iter().flat_map(|(_, settings)| settings.iter());
    let names = names.flat_map(|setting| std::iter::once(&setting.name).chain(setting.aliases));
    let others = ["PATH", "HTTP_PROXY", "http_proxy", "PIDKEY_SANDBOX_LISTEN", "POOL", "RUST_LOG"];
    let names: Vec<String> = names.chain(&others).map(|name| (*name).to_owned()).collect();
    assert_eq!(unknown(names), []);
}

#[test]
fn every_setting_is_documented() {
    let documented: HashSet<&str> = SECTIONS
        .iter()
        .flat_map(|(_, settings)| settings.iter())
        .flat_map(|setting| std::iter::once(setting.name).chain(setting.aliases.iter().copied()))
        .collect();
    let read = known_names();
    assert_eq!(read.iter().map(String::as_str).collect::<HashSet<_>>(), documented);
}
