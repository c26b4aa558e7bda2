//! The database: where it is, how many connections, how long anything may take.

use super::reader::Reader;
use super::setting::{Default, Kind, Setting};
use secrecy::SecretString;
use steadfast_postgres::{DbSettings, PoolSettings, SessionSettings, StatementLog, TlsRoots};
use steadfast_resilience::BreakerConfig;

const URL: Setting = Setting {
    name: "DATABASE_URL",
    aliases: &[],
    default: Default::Required,
    kind: Kind::Secret,
    help: "The database, as postgres://user:password@host/name.",
};
const TLS_CA_FILE: Setting = Setting {
    name: "DB_TLS_CA_FILE",
    aliases: &["PGSSLROOTCERT"],
    default: Default::Is(""),
    kind: Kind::Text,
    help: "A file of PEM certificates. With it the server must have TLS and a certificate from one of these authorities, \
           for the host of DATABASE_URL. Without it, sslmode=require in DATABASE_URL asks for an authority that the \
           operating system believes.",
};
const PROFILE: Setting = Setting {
    name: "DB_PROFILE",
    aliases: &[],
    default: Default::Is("production"),
    kind: Kind::Word(&["development", "production", "high", "jobs"]),
    help: "Presets, connections kept + more on demand: development 5 + 5, production 20 + 10, high 20 + 30, jobs 10 + 20 \
           replaced after 300 s. Single variables go before.",
};
const POOL_SIZE: Setting = Setting {
    name: "DB_POOL_SIZE",
    aliases: &["POOL_SIZE", "DATABASE_POOL_SIZE"],
    default: Default::Profile,
    kind: Kind::Count(1..=1000),
    help: "Connections that are kept open. PostgreSQL allows 100 in all by default.",
};
const MAX_OVERFLOW: Setting = Setting {
    name: "DB_MAX_OVERFLOW",
    aliases: &["MAX_OVERFLOW", "DATABASE_MAX_OVERFLOW"],
    default: Default::Profile,
    kind: Kind::Count(0..=1000),
    help: "Connections more while they are needed.",
};
const POOL_TIMEOUT: Setting = Setting {
    name: "DB_POOL_TIMEOUT",
    aliases: &["POOL_TIMEOUT"],
    default: Default::Is("30"),
    kind: Kind::Seconds(0..=600),
    help: "The longest wait for a connection while all are in use.",
};
const POOL_RECYCLE: Setting = Setting {
    name: "DB_POOL_RECYCLE",
    aliases: &["POOL_RECYCLE"],
    default: Default::Profile,
    kind: Kind::Seconds(1..=604_800),
    help: "The age at which a connection is replaced: 3600 unless the profile says otherwise.",
};
const POOL_PRE_PING: Setting = Setting {
    name: "DB_POOL_PRE_PING",
    aliases: &["POOL_PRE_PING"],
    default: Default::Is("true"),
    kind: Kind::Flag,
    help: "Whether a connection that rested is asked for a sign of life before it is used.",
};
const STATEMENT_TIMEOUT: Setting = Setting {
    name: "DB_STATEMENT_TIMEOUT",
    aliases: &["DB_COMMAND_TIMEOUT"],
    default: Default::Is("30"),
    kind: Kind::Seconds(0..=3600),
    help: "The longest that the server works on one statement: the backstop behind the deadlines. 0 is no limit.",
};
const LOCK_TIMEOUT: Setting = Setting {
    name: "DB_LOCK_TIMEOUT",
    aliases: &[],
    default: Default::Is("10"),
    kind: Kind::Seconds(0..=3600),
    help: "The longest that a statement waits for a lock. 0 is no limit.",
};
const IDLE_IN_TRANSACTION_TIMEOUT: Setting = Setting {
    name: "DB_IDLE_IN_TRANSACTION_TIMEOUT",
    aliases: &[],
    default: Default::Is("60"),
    kind: Kind::Seconds(0..=3600),
    help: "After this the server ends a transaction in which nothing happens. 0 is no limit.",
};
const SLOW_QUERY_THRESHOLD: Setting = Setting {
    name: "DB_SLOW_QUERY_THRESHOLD",
    aliases: &[],
    default: Default::Is("1.0"),
    kind: Kind::Seconds(0..=3600),
    help: "From when on a statement or operation is reported as slow that has no threshold of its own.",
};
const FAILURE_THRESHOLD: Setting = Setting {
    name: "DATABASE_FAILURE_THRESHOLD",
    aliases: &["DB_FAILURE_THRESHOLD"],
    default: Default::Is("3"),
    kind: Kind::Count(1..=1000),
    help: "Failures in a row after which the database is not asked for a while.",
};
const RECOVERY_TIMEOUT: Setting = Setting {
    name: "DATABASE_RECOVERY_TIMEOUT",
    aliases: &["DB_RECOVERY_TIMEOUT"],
    default: Default::Is("30"),
    kind: Kind::Seconds(1..=3600),
    help: "How long it is not asked then, at most: it is asked again as soon as it can be reached.",
};

const ENABLE_QUERY_LOGGING: Setting = Setting {
    name: "DB_ENABLE_QUERY_LOGGING",
    aliases: &[],
    default: Default::Is("false"),
    kind: Kind::Flag,
    help: "Whether slow statements are also written to standard error as `[time] SLOW QUERY (2.345s): text`.",
};
const ECHO: Setting = Setting {
    name: "DB_ECHO",
    aliases: &[],
    default: Default::Is("false"),
    kind: Kind::Flag,
    help: "Whether every statement is logged as it is sent, without its values. Not for production.",
};

const INSTANCES: Setting = Setting {
    name: "DB_INSTANCES",
    aliases: &[],
    default: Default::Is("1"),
    kind: Kind::Count(1..=1000),
    help: "Servers like this one that share the database. A warning at start says when their connections are too many.",
};
const RESERVED_CONNECTIONS: Setting = Setting {
    name: "DB_RESERVED_CONNECTIONS",
    aliases: &[],
    default: Default::Is("10"),
    kind: Kind::Count(0..=1000),
    help: "Connections that are left for others: tools, backups, people.",
};

const PGBOUNCER: Setting = Setting {
    name: "DB_PGBOUNCER",
    aliases: &[],
    default: Default::Is("session"),
    kind: Kind::Word(&["session", "transaction"]),
    help: "The mode of a PgBouncer in between. With transaction no prepared statements are kept, every unit of work is a \
           transaction, and the role brings its own timeouts (ALTER ROLE). Without one, leave it.",
};

/// All settings of this room, in the order of `--help`.
pub(super) const ALL: &[Setting] = &[
    URL,
    TLS_CA_FILE,
    PROFILE,
    POOL_SIZE,
    MAX_OVERFLOW,
    POOL_TIMEOUT,
    POOL_RECYCLE,
    POOL_PRE_PING,
    STATEMENT_TIMEOUT,
    LOCK_TIMEOUT,
    IDLE_IN_TRANSACTION_TIMEOUT,
    SLOW_QUERY_THRESHOLD,
    ENABLE_QUERY_LOGGING,
    ECHO,
    FAILURE_THRESHOLD,
    RECOVERY_TIMEOUT,
    PGBOUNCER,
    INSTANCES,
    RESERVED_CONNECTIONS,
];

/// The database.
#[derive(Clone, Debug)]
pub struct DatabaseSettings {
    /// Where it is, with user and password.
    pub url: SecretString,
    /// How it is used.
    pub db: DbSettings,
    /// Servers like this one that share it.
    pub instances: u32,
    /// Connections that are left for others.
    pub reserved: u32,
}

/// What a profile presets.
fn profile(name: &str) -> PoolSettings {
    match name {
        "development" => PoolSettings::development(),
        "high" => PoolSettings::bursts(),
        "jobs" => PoolSettings::short_lived(),
        _ => PoolSettings::production(),
    }
}

/// How a session of the program `application_name` begins, as the environment says.
pub(super) fn read_session(reader: &mut Reader<'_>, application_name: &str) -> SessionSettings {
    let statement_log = StatementLog {
        slow_after: reader.seconds(&SLOW_QUERY_THRESHOLD),
        slow_to_stderr: reader.flag(&ENABLE_QUERY_LOGGING),
        echo: reader.flag(&ECHO),
    };
    SessionSettings {
        application_name: application_name.to_owned(),
        statement_timeout: reader.seconds(&STATEMENT_TIMEOUT),
        lock_timeout: reader.seconds(&LOCK_TIMEOUT),
        idle_in_transaction_timeout: reader.seconds(&IDLE_IN_TRANSACTION_TIMEOUT),
        statement_log,
        pgbouncer_transaction: reader.word(&PGBOUNCER) == "transaction",
        tls_roots: match reader.text(&TLS_CA_FILE) {
            path if path.is_empty() => TlsRoots::Platform,
            path => TlsRoots::File(path.into()),
        },
        ..SessionSettings::default()
    }
}

/// The database, as the environment says.
pub(super) fn read(reader: &mut Reader<'_>) -> DatabaseSettings {
    let preset = profile(reader.word(&PROFILE));
    let session = read_session(reader, "steadfast-api");
    let slow_after = session.statement_log.slow_after;
    let pool = PoolSettings {
        pool_size: reader.count_if_set(&POOL_SIZE).unwrap_or(preset.pool_size),
        max_overflow: reader.count_if_set(&MAX_OVERFLOW).unwrap_or(preset.max_overflow),
        timeout: reader.seconds(&POOL_TIMEOUT),
        recycle: reader.seconds_if_set(&POOL_RECYCLE).unwrap_or(preset.recycle),
        pre_ping: reader.flag(&POOL_PRE_PING),
        session,
        ..preset
    };
    let failures = reader.count(&FAILURE_THRESHOLD);
    let breaker = BreakerConfig::consecutive(failures, reader.seconds(&RECOVERY_TIMEOUT));
    let db = DbSettings { pool, breaker, slow_after, ..DbSettings::default() };
    DatabaseSettings {
        url: reader.secret(&URL),
        db,
        instances: reader.count(&INSTANCES),
        reserved: reader.count(&RESERVED_CONNECTIONS),
    }
}
