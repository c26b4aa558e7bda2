//! Tests of parameters and environment variables.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::ffi::OsString;

fn read(url: &str, variables: &[(&str, &str)]) -> Result<Target, UrlError> {
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    let environment = |name: &str| variables.get(name).map(OsString::from);
    Target::with_environment(url, &SessionSettings::default(), &environment)
}

fn target(url: &str) -> Target {
    read(url, &[]).expect(url)
}

fn error(url: &str) -> String {
    read(url, &[]).expect_err(url).to_string()
}

/// Formats all settings of a target, including passwords.
fn fingerprint(target: &Target) -> String {
    let Target { hosts, is_shuffled, attrs, connect_timeout, sockets, tls, .. } = target;
    let passwords: Vec<_> = target.hosts.iter().map(|host| host.config.get_password()).collect();
    format!("{hosts:?} {is_shuffled} {attrs:?} {connect_timeout:?} {sockets:?} {tls:?} {passwords:?}")
}

#[test]
fn address_is_host_and_port_or_socket() {
    for (url, address) in [
        ("postgres://app@db.example:6543/shop", "db.example:6543"),
        ("postgres://app@db.example/shop", "db.example:5432"),
        ("postgres:///shop?host=/run/pg&user=app", "/run/pg/.s.PGSQL.5432"),
        ("postgres://app@h1,h2:7,[::1]/shop", "h1:5432, h2:7, [::1]:5432"),
        ("host=h1,/run/pg port=1 user=app", "h1:1, /run/pg/.s.PGSQL.1"),
        ("hostaddr=127.0.0.1 user=app", "127.0.0.1:5432"),
        ("host=h hostaddr=127.0.0.1 user=app", "h:5432"),
        ("host=h1,h2 hostaddr=127.0.0.1, user=app", "h1:5432, h2:5432"),
    ] {
        assert_eq!(target(url).address(), address, "{url}");
    }
}

#[test]
fn url_options_override_session_settings() {
    let target = target("postgres://app@h/d?options=-c%20statement_timeout%3D5");
    let options = target.hosts[0].config.get_options().expect("options");
    assert!(options.starts_with("-c statement_timeout=30000 -c lock_timeout=10000"), "{options}");
    assert!(options.ends_with(" -c statement_timeout=5"), "{options}");
}

#[test]
fn session_limits_are_clamped_to_server_range() {
    for (limit, milliseconds) in [
        (Duration::ZERO, 0),
        (Duration::from_nanos(1), 1),
        (Duration::from_millis(2), 2),
        (Duration::from_micros(2_001), 3),
        (Duration::MAX, i32::MAX),
    ] {
        assert_eq!(super::milliseconds(limit), milliseconds, "{limit:?}");
    }
}

#[test]
fn application_name_precedence() {
    let name = |url: &str, variables: &[(&str, &str)]| {
        let target = read(url, variables).expect(url);
        target.hosts[0].config.get_application_name().map(str::to_owned).expect("a name")
    };
    let variables = [("PGAPPNAME", "variable")];
    assert_eq!(name("postgres://h?application_name=url", &variables), "url");
    assert_eq!(name("postgres://h?fallback_application_name=url", &variables), "variable");
    assert_eq!(name("postgres://h", &variables), "variable");
    assert_eq!(name("postgres://h?fallback_application_name=url", &[]), "url");
    assert_eq!(name("postgres://h", &[]), "steadfast");
}

#[test]
fn connect_timeout_applies_to_each_host() {
    assert_eq!(target("postgres://h").connect_limit(), Duration::from_secs(2));
    assert_eq!(target("postgres://h?connect_timeout=7").connect_limit(), Duration::from_secs(7));
    let several = target("postgres://h1,h2?connect_timeout=7&target_session_attrs=prefer-standby");
    assert_eq!(several.connect_limit(), Duration::from_millis(28_100));
    for wrong in ["0", "-1", "1.5", "x", "99999999999"] {
        let error = error(&format!("postgres://u:s3cret@h?connect_timeout={wrong}"));
        assert!(error.contains("connect_timeout is not a whole number of seconds from 1 to"), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
}

#[test]
fn rejects_malformed_values_by_name() {
    for (url, expected) in [
        ("postgres://", "no host is given: add one or set PGHOST"),
        ("postgres://h1,h2/d?port=1,2,3", "port has 3 entries for 2 hosts"),
        ("postgres://h1,h2/d?hostaddr=127.0.0.1", "hostaddr has 1 entries for 2 hosts"),
        ("postgres://h1,/d", "host has an empty entry"),
        ("postgres://h/d?hostaddr=h", "hostaddr is not a list of IP addresses"),
        ("postgres://h:0/d", "port is not a number from 1 to 65535"),
        ("postgres://h:65536/d", "port is not a number from 1 to 65535"),
        ("postgres://h/d?options=-c%20client_encoding%3DLATIN1", "options sets client_encoding"),
        ("postgres:///d?host=a%40b", "host contains a character that is invalid in a host name"),
    ] {
        let error = error(url);
        assert!(error.contains(expected), "{url}: {error}");
    }
}

#[test]
fn rejects_parameters_without_effect() {
    for (url, name) in [
        ("postgres:///d?host=/run/pg&keepalives_idle=5", "keepalives_idle"),
        ("postgres:///d?host=/run/pg&sslmode=require", "sslmode"),
        ("postgres:///d?host=/run/pg&sslrootcert=system", "sslrootcert"),
        ("postgres://h/d?keepalives=0&keepalives_count=5", "keepalives_count"),
        ("postgres://u:p@h/d?passfile=/p", "passfile"),
        ("postgres://h/d?sslmode=disable&sslcert=/c", "sslcert"),
        ("postgres://h/d?sslkey=/k", "sslkey"),
        ("postgres://h/d?sslcertmode=disable&sslcert=/c", "sslcert"),
        ("postgres://h/d?application_name=a&fallback_application_name=b", "fallback_application_name"),
    ] {
        let error = error(url);
        assert!(error.starts_with(&format!("database URL: {name} ")), "{url}: {error}");
    }
    for url in ["postgres:///d?host=/run/pg&sslmode=prefer", "postgres:///d?host=/run/pg,h&keepalives_idle=5"]
    {
        target(url);
    }
}

#[test]
fn environment_variables_are_defaults() {
    let variables = [
        ("PGHOST", "h1,h2"),
        ("PGPORT", "7"),
        ("PGUSER", "ann"),
        ("PGPASSWORD", "secret"),
        ("PGDATABASE", "shop"),
        ("PGAPPNAME", "till"),
        ("PGOPTIONS", "-c work_mem=9MB"),
        ("PGTZ", "UTC"),
        ("PGDATESTYLE", "ISO, DMY"),
        ("PGCONNECT_TIMEOUT", "9"),
        ("PGTARGETSESSIONATTRS", "read-write"),
        ("PGLOADBALANCEHOSTS", "random"),
        ("PGCHANNELBINDING", "disable"),
        ("PGSSLMODE", "disable"),
        ("PGSSLROOTCERT", "/never/read"),
    ];
    let target = read("postgres://", &variables).expect("a target");
    let config = &target.hosts[0].config;
    assert_eq!(target.address(), "h1:7, h2:7");
    assert_eq!((config.get_user(), config.get_dbname()), (Some("ann"), Some("shop")));
    assert_eq!(config.get_password(), Some(&b"secret"[..]));
    assert_eq!(config.get_application_name(), Some("till"));
    let options = config.get_options().expect("options");
    let expected = " -c DateStyle=ISO,\\ DMY -c TimeZone=UTC -c work_mem=9MB";
    assert!(options.ends_with(expected), "{options}");
    assert_eq!((target.connect_timeout, target.is_shuffled), (Duration::from_secs(9), true));
    assert_eq!(target.session_attrs(), "read-write");
    assert_eq!(config.get_channel_binding(), ChannelBinding::Disable);
    assert!(target.tls.is_none());

    let explicit = read("postgres://bob:other@h3:8/bank?connect_timeout=3", &variables).expect("a target");
    let config = &explicit.hosts[0].config;
    assert_eq!((explicit.address().as_str(), explicit.connect_timeout), ("h3:8", Duration::from_secs(3)));
    assert_eq!((config.get_user(), config.get_dbname()), (Some("bob"), Some("bank")));
    assert_eq!(config.get_password(), Some(&b"other"[..]));
}

#[test]
fn rejects_malformed_variables_by_name() {
    for (name, value) in [
        ("PGCONNECT_TIMEOUT", "soon"),
        ("PGPORT", "x"),
        ("PGTARGETSESSIONATTRS", "best"),
        ("PGSSLMODE", "allow"),
        ("PGPASSFILE", "/no/such/file"),
        ("PGTZ", "Europe/Berlin"),
        ("PGOPTIONS", "-c work_mem=9MB -c TimeZone=Europe/Berlin"),
    ] {
        let error = read("postgres://h", &[(name, value)]).expect_err(name).to_string();
        assert!(error.starts_with(&format!("database URL: {name} ")), "{error}");
    }
}

#[test]
fn recently_failed_hosts_are_tried_last() {
    let target = target("postgres://h1,h2,h3?target_session_attrs=prefer-standby");
    let order = || target.attempts().iter().map(|(host, _)| host.address.clone()).collect::<Vec<_>>();
    assert_eq!(order()[..3], ["h1:5432", "h2:5432", "h3:5432"]);
    target.hosts[0].note_failure();
    assert_eq!(order(), ["h2:5432", "h3:5432", "h1:5432", "h2:5432", "h3:5432", "h1:5432"]);
    target.hosts[0].note_success();
    assert_eq!(order()[..3], ["h1:5432", "h2:5432", "h3:5432"]);
}

/// Generates parameters with values that differ from their defaults.
fn parameters() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    let values = [
        ("hostaddr", vec!["127.0.0.9"]),
        ("port", vec!["77", "none"]),
        ("dbname", vec!["shop"]),
        ("user", vec!["ann"]),
        ("password", vec!["pa@ss"]),
        ("passfile", vec!["/no/such/passfile"]),
        ("channel_binding", vec!["disable", "require", "maybe"]),
        ("connect_timeout", vec!["9", "0"]),
        ("options", vec!["-c work_mem=9MB"]),
        ("application_name", vec!["till"]),
        ("fallback_application_name", vec!["fall"]),
        ("keepalives", vec!["0", "2"]),
        ("keepalives_idle", vec!["9", "-1"]),
        ("keepalives_interval", vec!["9"]),
        ("keepalives_count", vec!["9"]),
        ("tcp_user_timeout", vec!["9"]),
        ("sslmode", vec!["disable", "require", "verify-ca", "verify-full", "allow"]),
        ("sslrootcert", vec!["system", "/no/such/root"]),
        ("sslcert", vec!["/no/such/cert"]),
        ("sslkey", vec!["/no/such/key"]),
        ("sslcertmode", vec!["require"]),
        ("sslsni", vec!["0", "x"]),
        ("ssl_min_protocol_version", vec!["TLSv1.3"]),
        ("ssl_max_protocol_version", vec!["TLSv1.2", "TLSv1"]),
        ("target_session_attrs", vec!["read-write", "standby", "best"]),
        ("load_balance_hosts", vec!["random", "sometimes"]),
        ("service", vec!["s"]),
        ("gssencmode", vec!["require"]),
        ("sslcrl", vec!["/crl"]),
        ("requirepeer", vec!["ann"]),
    ];
    let count = values.len();
    let chosen = values.map(|(name, values)| (Just(name), proptest::sample::select(values)));
    proptest::sample::subsequence(Vec::from(chosen), 0..=count.min(6)).prop_flat_map(|chosen| chosen)
}

fn url(host: &str, parameters: &[(&str, &str)]) -> String {
    let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let pairs: Vec<_> = parameters.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    format!("postgres:///?host={}&{}", encode(host), pairs.join("&"))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    /// A parameter is honoured if the target differs from the one without it.
    #[test]
    fn every_parameter_has_effect_or_is_rejected(
        host in proptest::sample::select(vec!["h", "/run/pg", "h,/run/pg"]),
        parameters in parameters(),
    ) {
        match read(&url(host, &parameters), &[]) {
            Ok(target) => for left_out in 0..parameters.len() {
                let mut others = parameters.clone();
                let (name, value) = others.remove(left_out);
                // A socket has no TLS, and naming authorities requires it.
                let names_roots = others.iter().any(|(name, _)| *name == "sslrootcert");
                match (name, value) {
                    ("sslmode", "disable") if target.tls.is_none() => continue,
                    ("sslmode", "require") if names_roots => continue,
                    _ => {}
                }
                let without = read(&url(host, &others), &[]).map(|target| fingerprint(&target));
                prop_assert_ne!(without, Ok(fingerprint(&target)), "{}={} is ignored", name, value);
            },
            Err(error) => {
                let text = error.to_string();
                prop_assert!(parameters.iter().any(|(name, _)| text.contains(name)), "{}", text);
                prop_assert!(!text.contains("pa@ss"), "{}", text);
            }
        }
    }

    /// No error text contains the letters of the password, so finding one of them shows a leak.
    #[test]
    fn errors_never_show_password(password in "[жюλ1/@:?&=#%+ ]{1,12}") {
        let shown = match read(&format!("postgres://ann:{password}@h/shop?sslmode=allow"), &[]) {
            Ok(target) => format!("{target:?}"),
            Err(error) => error.to_string(),
        };
        prop_assert!(!shown.contains(['ж', 'ю', 'λ']), "{}", shown);
    }
}
