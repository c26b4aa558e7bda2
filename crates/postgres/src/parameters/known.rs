//! The parameters of libpq and tokio-postgres, and their support.

/// A parameter that libpq or tokio-postgres knows.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) name: &'static str,
    /// Environment variable with the default value.
    pub(super) variable: Option<&'static str>,
    pub(super) rule: Rule,
}

/// Treatment of a parameter.
#[derive(Debug)]
pub(super) enum Rule {
    /// Supported. The text states the condition under which the parameter has an effect.
    Used(&'static str),
    /// Accepted only with these values, which match the behaviour of this library.
    Only(&'static [&'static str], &'static str),
    /// Rejected with this text.
    Refused(&'static str),
}

/// Alternative names of parameters in tokio-postgres.
const ALIASES: [(&str, &str); 1] = [("keepalives_retries", "keepalives_count")];

const NEEDS_TCP: &str = "it needs a TCP host";
const NEEDS_KEEPALIVES: &str = "it needs a TCP host and keepalives=1";
const NEEDS_TLS: &str =
    "it needs TLS, that is a TCP host, an sslmode other than disable, and the cargo feature `tls`";
const NO_GSS: &str = "is for logins by GSSAPI, which are not supported: leave it out";
const NO_OAUTH: &str = "is for logins by OAuth, which are not supported: leave it out";

/// All parameters in the order of libpq's documentation.
pub(super) const ALL: &[Known] = &[
    used("host", "PGHOST", "hosts are always used"),
    used("hostaddr", "PGHOSTADDR", NEEDS_TCP),
    used("port", "PGPORT", "ports are always used"),
    used("dbname", "PGDATABASE", "the database is always used"),
    used("user", "PGUSER", "the user is always used"),
    used("password", "PGPASSWORD", "the password is always used"),
    used("passfile", "PGPASSFILE", "it is read only if there is no password"),
    refused("require_auth", "PGREQUIREAUTH", "is not supported: use channel_binding=require with TLS"),
    used("channel_binding", "PGCHANNELBINDING", "it is always used"),
    used("connect_timeout", "PGCONNECT_TIMEOUT", "it is always used"),
    only(
        "client_encoding",
        "PGCLIENTENCODING",
        &["utf8", "utf-8", "unicode"],
        "is not supported: sessions always use UTF8",
    ),
    used("options", "PGOPTIONS", "they are always used"),
    used("application_name", "PGAPPNAME", "it is always used"),
    Known {
        name: "fallback_application_name",
        variable: None,
        rule: Rule::Used("it is used only without application_name"),
    },
    Known { name: "keepalives", variable: None, rule: Rule::Used(NEEDS_TCP) },
    Known { name: "keepalives_idle", variable: None, rule: Rule::Used(NEEDS_KEEPALIVES) },
    Known { name: "keepalives_interval", variable: None, rule: Rule::Used(NEEDS_KEEPALIVES) },
    Known { name: "keepalives_count", variable: None, rule: Rule::Used(NEEDS_KEEPALIVES) },
    Known { name: "tcp_user_timeout", variable: None, rule: Rule::Used("it needs a TCP host and Linux") },
    Known {
        name: "replication",
        variable: None,
        rule: Rule::Only(
            &["false", "off", "no", "0"],
            "is not supported: a pool has no replication sessions",
        ),
    },
    only(
        "gssencmode",
        "PGGSSENCMODE",
        &["disable", "prefer"],
        "is not supported: use sslmode for encryption",
    ),
    used("sslmode", "PGSSLMODE", NEEDS_TLS),
    only(
        "sslnegotiation",
        "PGSSLNEGOTIATION",
        &["postgres"],
        "is not supported with any value but postgres: leave it out",
    ),
    only("sslcompression", "PGSSLCOMPRESSION", &["0"], "is not supported: TLS never compresses"),
    used("sslcert", "PGSSLCERT", NEEDS_TLS),
    used("sslkey", "PGSSLKEY", "it needs sslcert, and it needs TLS"),
    refused("sslkeylogfile", "PGSSLKEYLOGFILE", "is not supported: keys of sessions are never written down"),
    Known {
        name: "sslpassword",
        variable: None,
        rule: Rule::Refused("is not supported: decrypt the file of sslkey and protect it by its permissions"),
    },
    used("sslcertmode", "PGSSLCERTMODE", NEEDS_TLS),
    used("sslrootcert", "PGSSLROOTCERT", NEEDS_TLS),
    refused("sslcrl", "PGSSLCRL", "is not supported: revocation lists are not read"),
    refused("sslcrldir", "PGSSLCRLDIR", "is not supported: revocation lists are not read"),
    used("sslsni", "PGSSLSNI", NEEDS_TLS),
    refused("requirepeer", "PGREQUIREPEER", "is not supported: protect the folder of the socket instead"),
    used("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION", NEEDS_TLS),
    used("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION", NEEDS_TLS),
    only("min_protocol_version", "PGMINPROTOCOLVERSION", &["3.0"], "is not supported with any value but 3.0"),
    only(
        "max_protocol_version",
        "PGMAXPROTOCOLVERSION",
        &["3.0", "3.2", "latest"],
        "has an unsupported value: sessions use protocol 3.0",
    ),
    Known { name: "krbsrvname", variable: None, rule: Rule::Refused(NO_GSS) },
    Known { name: "gsslib", variable: None, rule: Rule::Refused(NO_GSS) },
    Known { name: "gssdelegation", variable: None, rule: Rule::Refused(NO_GSS) },
    refused(
        "service",
        "PGSERVICE",
        "is not supported: service files are not read, give the parameters themselves",
    ),
    Known {
        name: "servicefile",
        variable: None,
        rule: Rule::Refused("is not supported: service files are not read, give the parameters themselves"),
    },
    used("target_session_attrs", "PGTARGETSESSIONATTRS", "it is always used"),
    used("load_balance_hosts", "PGLOADBALANCEHOSTS", "it is always used"),
    Known {
        name: "scram_client_key",
        variable: None,
        rule: Rule::Refused("is not supported: give the password"),
    },
    Known {
        name: "scram_server_key",
        variable: None,
        rule: Rule::Refused("is not supported: give the password"),
    },
    Known { name: "oauth_issuer", variable: None, rule: Rule::Refused(NO_OAUTH) },
    Known { name: "oauth_client_id", variable: None, rule: Rule::Refused(NO_OAUTH) },
    Known { name: "oauth_client_secret", variable: None, rule: Rule::Refused(NO_OAUTH) },
    Known { name: "oauth_scope", variable: None, rule: Rule::Refused(NO_OAUTH) },
];

const fn used(name: &'static str, variable: &'static str, condition: &'static str) -> Known {
    Known { name, variable: Some(variable), rule: Rule::Used(condition) }
}

const fn only(
    name: &'static str,
    variable: &'static str,
    values: &'static [&'static str],
    advice: &'static str,
) -> Known {
    Known { name, variable: Some(variable), rule: Rule::Only(values, advice) }
}

const fn refused(name: &'static str, variable: &'static str, advice: &'static str) -> Known {
    Known { name, variable: Some(variable), rule: Rule::Refused(advice) }
}

/// Returns the parameter with this name or alias, and the name in static form.
pub(super) fn find(name: &str) -> Option<(&'static Known, &'static str)> {
    let by_name = |name: &str| ALL.iter().find(|known| known.name == name);
    if let Some(known) = by_name(name) {
        return Some((known, known.name));
    }
    let (alias, meant) = ALIASES.iter().find(|(alias, _)| *alias == name)?;
    Some((by_name(meant)?, alias))
}

impl Known {
    /// Returns true if the value is a secret.
    pub(super) fn is_secret(&self) -> bool {
        matches!(
            self.name,
            "password" | "sslpassword" | "scram_client_key" | "scram_server_key" | "oauth_client_secret"
        )
    }
}
