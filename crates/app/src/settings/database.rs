//! Settings of the database: address, connections, timeouts.

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
    help: "URL of the database: postgres://user:password@host/name.",
};
const TLS_CA_FILE: Setting = Setting {
    name: "DB_TLS_CA_FILE",
    aliases: &["PGSSLROOTCERT"],
    default: Default::Is(""),
    kind: Kind::Text,
    help: "File of PEM certificates. If set, the server must use TLS and a certificate from one of these authorities, \
           for the host of DATABASE_URL. If not set, sslmode=require in DATABASE_URL requires an authority that the \
           operating system trusts.",
};
const PROFILE: Setting = Setting {
    name: "DB_PROFILE",
    aliases: &[],
    default: Default::Is("production"),
    kind: Kind::Word(&["development", "production", "high", "jobs"]),
    help: "Presets of DB_POOL_SIZE + DB_MAX_OVERFLOW: development 5 + 5, production 20 + 10, high 20 + 30, jobs \
           10 + 20 with DB_POOL_RECYCLE 300. These variables take precedence.",
};
const POOL_SIZE: Setting = Setting {
    name: "DB_POOL_SIZE",
    aliases: &["POOL_SIZE", "DATABASE_POOL_SIZE"],
    default: Default::Profile,
    kind: Kind::Count(1..=1000),
    help: "Number of connections that remain open. By default, PostgreSQL allows 100 in all.",
};
const MAX_OVERFLOW: Setting = Setting {
    name: "DB_MAX_OVERFLOW",
    aliases: &["MAX_OVERFLOW", "DATABASE_MAX_OVERFLOW"],
    default: Default::Profile,
    kind: Kind::Count(0..=1000),
    help: "Maximum number of additional connections under load.",
};
const POOL_TIMEOUT: Setting = Setting {
    name: "DB_POOL_TIMEOUT",
    aliases: &["POOL_TIMEOUT"],
    default: Default::Is("30"),
    kind: Kind::Seconds(0..=600),
    help: "Maximum wait for a connection while all are in use.",
};
const POOL_RECYCLE: Setting = Setting {
    name: "DB_POOL_RECYCLE",
    aliases: &["POOL_RECYCLE"],
    default: Default::Profile,
    kind: Kind::Seconds(1..=604_800),
    help: "Age at which a connection is replaced: 3600, or the value of the profile.",
};
const POOL_PRE_PING: Setting = Setting {
    name: "DB_POOL_PRE_PING",
    aliases: &["POOL_PRE_PING"],
    default: Default::Is("true"),
    kind: Kind::Flag,
    help: "If true, an idle connection is pinged before it is used.",
};
const STATEMENT_TIMEOUT: Setting = Setting {
    name: "DB_STATEMENT_TIMEOUT",
    aliases: &["DB_COMMAND_TIMEOUT"],
    default: Default::Is("30"),
    kind: Kind::Seconds(0..=3600),
    help: "Maximum time that the server works on one statement, in addition to deadlines of operations. 0 is no limit.",
};
const LOCK_TIMEOUT: Setting = Setting {
    name: "DB_LOCK_TIMEOUT",
    aliases: &[],
    default: Default::Is("10"),
    kind: Kind::Seconds(0..=3600),
    help: "Maximum time that a statement waits for a lock. 0 is no limit.",
};
const IDLE_IN_TRANSACTION_TIMEOUT: Setting = Setting {
    name: "DB_IDLE_IN_TRANSACTION_TIMEOUT",
    aliases: &[],
    default: Default::Is("60"),
    kind: Kind::Seconds(0..=3600),
    help: "Time after which the server ends an idle transaction. 0 is no limit.",
};
const SLOW_QUERY_THRESHOLD: Setting = Setting {
    name: "DB_SLOW_QUERY_THRESHOLD",
    aliases: &[],
    default: Default::Is("1.0"),
    kind: Kind::Seconds(0..=3600),
    help: "Time after which a statement or operation is logged as slow, unless the operation declares a threshold.",
};
const FAILURE_THRESHOLD: Setting = Setting {
    name: "DATABASE_FAILURE_THRESHOLD",
    aliases: &["DB_FAILURE_THRESHOLD"],
    default: Default::Is("3"),
    kind: Kind::Count(1..=1000),
    help: "Number of consecutive failures that open the circuit breaker: requests fail at once.",
};
const RECOVERY_TIMEOUT: Setting = Setting {
    name: "DATABASE_RECOVERY_TIMEOUT",
    aliases: &["DB_RECOVERY_TIMEOUT"],
    default: Default::Is("30"),
    kind: Kind::Seconds(1..=3600),
    help: "Maximum time for which the circuit breaker remains open. It closes as soon as the database can be reached.",
};

const ENABLE_QUERY_LOGGING: Setting = Setting {
    name: "DB_ENABLE_QUERY_LOGGING",
    aliases: &[],
    default: Default::Is("false"),
    kind: Kind::Flag,
    help: "If true, slow statements are also written to standard error as `[time] SLOW QUERY (2.345s): text`.",
};
const ECHO: Setting = Setting {
    name: "DB_ECHO",
    aliases: &[],
    default: Default::Is("false"),
    kind: Kind::Flag,
    help: "If true, every statement is logged, without its values. Not for production.",
};

const INSTANCES: Setting = Setting {
    name: "DB_INSTANCES",
    aliases: &[],
    default: Default::Is("1"),
    kind: Kind::Count(1..=1000),
    help: "Number of servers that share the database. At startup, a warning is logged if they may open too many \
           connections.",
};
const RESERVED_CONNECTIONS: Setting = Setting {
    name: "DB_RESERVED_CONNECTIONS",
    aliases: &[],
    default: Default::Is("10"),
    kind: Kind::Count(0..=1000),
    help: "Number of connections reserved for other clients, such as tools and backups.",
};

const PGBOUNCER: Setting = Setting {
    name: "DB_PGBOUNCER",
    aliases: &[],
    default: Default::Is("session"),
    kind: Kind::Word(&["session", "transaction"]),
    help: "Pool mode of a PgBouncer in front of the database. With transaction, no prepared statements are cached, \
           every unit of work is a transaction, and timeouts must be set for the role (ALTER ROLE). Without PgBouncer, \
           use the default.",
};

/// All settings of this section, in the order of `--help`.
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

/// Settings of the database.
#[derive(Clone, Debug)]
pub struct DatabaseSettings {
    /// Connection URL, with user and password.
    pub url: SecretString,
    /// Settings of pool, breaker and units of work.
    pub db: DbSettings,
    /// Number of servers that share the database.
    pub instances: u32,
    /// Number of connections reserved for other clients.
    pub reserved: u32,
}

/// Returns the presets of a profile.
fn profile(name: &str) -> PoolSettings {
    match name {
        "development" => PoolSettings::development(),
        "high" => PoolSettings::bursts(),
        "jobs" => PoolSettings::short_lived(),
        _ => PoolSettings::production(),
    }
}

/// Reads the settings of a session of the program `application_name`.
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

/// Reads the settings of the database.
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
