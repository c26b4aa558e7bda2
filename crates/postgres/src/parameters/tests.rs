//! Tests of connection strings, environment variables and error texts.

use super::*;
use proptest::prelude::*;

fn nothing(_: &str) -> Option<OsString> {
    None
}

fn read(text: &str) -> Result<Vec<(&'static str, String)>, String> {
    let parameters = Parameters::read(text, &nothing).map_err(|error| error.to_string())?;
    Ok(parameters.given.into_iter().map(|(name, parameter)| (name, parameter.value)).collect())
}

fn error(text: &str) -> String {
    read(text).expect_err(text)
}

/// Returns parameters as a list sorted by name.
fn list(pairs: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
}

#[test]
fn reads_every_form_of_url() {
    for (url, expected) in [
        ("postgres://", list(&[])),
        ("postgresql://localhost", list(&[("host", "localhost")])),
        ("postgres://h:1/d", list(&[("dbname", "d"), ("host", "h"), ("port", "1")])),
        ("postgres://u@h", list(&[("host", "h"), ("user", "u")])),
        ("postgres://u:p@h", list(&[("host", "h"), ("password", "p"), ("user", "u")])),
        ("postgres://h1,h2:2,[::1]:3/", list(&[("host", "h1,h2,::1"), ("port", ",2,3")])),
        ("postgres://%2Frun%2Fpg/d%2Fe", list(&[("dbname", "d/e"), ("host", "/run/pg")])),
        ("postgres:///d?host=/run/pg&port=7", list(&[("dbname", "d"), ("host", "/run/pg"), ("port", "7")])),
        (
            "postgres://h?user=a%40b&options=-c%20x%3D1",
            list(&[("host", "h"), ("options", "-c x=1"), ("user", "a@b")]),
        ),
        ("postgres://h?ssl=true", list(&[("host", "h"), ("sslmode", "require")])),
        ("postgres://h?keepalives_retries=3", list(&[("host", "h"), ("keepalives_count", "3")])),
    ] {
        assert_eq!(read(url).as_ref(), Ok(&expected), "{url}");
    }
}

#[test]
fn named_parameters_override_authority() {
    let expected = list(&[("dbname", "e"), ("host", "/run/pg"), ("port", "2"), ("user", "v")]);
    assert_eq!(read("postgres://u@localhost:2/d?host=/run/pg&dbname=e&user=v"), Ok(expected));
}

#[test]
fn accepts_unambiguous_unencoded_passwords() {
    for (url, password) in [
        ("postgres://u:a@b@h/d", "a@b"),
        ("postgres://u:a:b@h/d", "a:b"),
        ("postgres://u:a?b=c&d#e@h/d", "a?b=c&d#e"),
        ("postgres://u:50%@h/d", "50%"),
        ("postgres://u:a%2Fb%40c%25@h/d", "a/b@c%"),
    ] {
        let parameters = read(url).expect(url);
        assert!(parameters.contains(&("password", password.to_owned())), "{url}: {parameters:?}");
    }
}

#[test]
fn reads_pairs_with_quotes_and_blanks() {
    let expected =
        list(&[("application_name", "a 'b' \\c"), ("dbname", "d=e"), ("host", "h"), ("port", "1")]);
    let text = " host=h\tport = 1 application_name='a \\'b\\' \\\\c'\ndbname=d\\=e ";
    assert_eq!(read(text), Ok(expected));
}

#[test]
fn later_pairs_override_earlier_ones() {
    assert_eq!(read("host=h dbname=d dbname='e'"), Ok(list(&[("dbname", "e"), ("host", "h")])));
}

#[test]
fn rejects_malformed_strings() {
    for (text, expected) in [
        ("mysql://u:s3cret@h/d", "the scheme is not supported"),
        ("mysql://u:s3cret@h/d?a=b", "the scheme is not supported"),
        ("s3cret", "neither a postgres:// URL nor a list"),
        ("host=h s3cret", "neither a postgres:// URL nor a list"),
        ("host=h password='s3cret", "has no closing quote"),
        ("postgres://u:s3cret@h?sslmode", "a parameter has no value"),
        ("postgres://u:s3cret@[::1/d", "has no `]`"),
        ("postgres://u:s3/cret@h/d", "unexpected `@` after the first `/`"),
        ("postgres://u:1/s3cret?x=s3cret@h/d", "unexpected `@` after the first `/`"),
        ("postgres://u:s3cret%FF@h/d", "not UTF-8 after percent-decoding"),
        ("postgres://u:s3cret@h/d?sslmode=", "sslmode is empty"),
        ("postgres://u:s3cret@h/d?user=a%00b", "user contains a zero byte"),
        ("postgres://u:s3cret@h/d?sslmode=prefer&sslmode=require", "sslmode is given twice"),
        ("postgres://h?keepalives_count=1&keepalives_retries=1", "keepalives_retries is given twice"),
    ] {
        let error = error(text);
        assert!(error.contains(expected), "{text}: {error}");
        assert!(!error.contains("s3"), "{error}");
    }
}

#[test]
fn hides_unknown_parameters_that_may_be_passwords() {
    assert!(error("postgres://h?wal_level=1").contains("wal_level is not a known parameter"));
    assert!(error("host=h wal_level=1").contains("wal_level is not a known parameter"));
    for text in [
        "postgres://h?password=a&s3cret=b",
        "postgres://u:p@x/y?s3cret=z@h/d",
        "host=h password=a s3cret=b",
        "host=h s3:cret=b",
    ] {
        let error = error(text);
        assert!(error.contains("a parameter is unknown"), "{error}");
        assert!(!error.contains("s3"), "{error}");
    }
}

#[test]
fn rejects_unsupported_parameters_by_name() {
    for (pair, advice) in [
        ("service=s3cret", "service is not supported: service files are not read"),
        ("gssencmode=require", "gssencmode is not supported: use sslmode"),
        ("sslnegotiation=direct", "sslnegotiation is not supported with any value but postgres"),
        ("replication=database", "replication is not supported"),
        ("client_encoding=LATIN1", "client_encoding is not supported: sessions always use UTF8"),
        ("sslcompression=1", "sslcompression is not supported"),
        ("require_auth=md5", "require_auth is not supported: use channel_binding=require"),
        ("oauth_client_secret=s3cret", "oauth_client_secret is for logins by OAuth"),
        ("krbsrvname=s3cret", "krbsrvname is for logins by GSSAPI"),
    ] {
        let error = error(&format!("postgres://u:s3cret@h/d?{pair}"));
        assert!(error.contains(advice), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
    for pair in ["client_encoding=UTF8", "gssencmode=prefer", "replication=false", "sslcompression=0"] {
        read(&format!("postgres://h?{pair}")).expect(pair);
    }
}

#[test]
fn rejects_every_unsupported_parameter() {
    for known in known::ALL {
        if let Rule::Refused(advice) = known.rule {
            assert_eq!(error(&format!("{}=1", known.name)), format!("database URL: {} {advice}", known.name));
        }
    }
}

#[test]
fn variables_never_override_connection_string() {
    let environment = |name: &str| match name {
        "PGUSER" => Some("from_environment".into()),
        "PGHOST" => Some("h".into()),
        "PGPORT" => Some("".into()),
        _ => None,
    };
    let mut parameters = Parameters::read("postgres:///?user=explicit", &environment).expect("parameters");
    let user = parameters.take("user").expect("a user");
    assert_eq!((user.value.as_str(), user.origin, user.is_explicit), ("explicit", "user", true));
    let host = parameters.take("host").expect("a host");
    assert_eq!((host.value.as_str(), host.origin, host.is_explicit), ("h", "PGHOST", false));
    assert!(parameters.take("port").is_none(), "an empty variable is unset");
}

#[test]
fn rejects_unsupported_variables_by_name() {
    let environment = |name: &str| (name == "PGSERVICE").then(|| "s3cret".into());
    let error = Parameters::read("", &environment).map(drop).expect_err("a service").to_string();
    assert!(error.contains("PGSERVICE is not supported"), "{error}");
    assert!(!error.contains("s3cret"), "{error}");
}

#[test]
fn finish_names_unused_parameter() {
    let parameters = Parameters::read("host=h sslsni=1", &nothing).expect("parameters");
    let error = parameters.finish().expect_err("nothing was taken").to_string();
    assert!(error.contains("host would be ignored"), "{error}");
    let mut parameters = Parameters::read("host=h sslsni=1", &nothing).expect("parameters");
    parameters.take("host");
    let error = parameters.finish().expect_err("one was not taken").to_string();
    assert!(error.contains("sslsni would be ignored: it needs TLS"), "{error}");
    let environment = |name: &str| (name == "PGSSLSNI").then(|| "1".into());
    Parameters::read("", &environment).expect("parameters").finish().expect("variables need not apply");
}

fn percent_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

proptest! {
    #[test]
    fn values_survive_both_forms(values in proptest::collection::vec("[^\0]{1,20}", 4)) {
        let names = ["application_name", "dbname", "password", "user"];
        let pairs: Vec<_> = names.into_iter().zip(values).collect();
        let url: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={}", percent_encoded(value))).collect();
        prop_assert_eq!(read(&format!("postgres://?{}", url.join("&"))), Ok(pairs.clone()));
        let text: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={}", quoted(value))).collect();
        prop_assert_eq!(read(&text.join(" ")), Ok(pairs.clone()));
    }

    #[test]
    fn any_text_is_parsed_or_rejected(text in "(postgres://)?[a-z0-9:/?#@&=%'\\\\, \\[\\]]{0,40}") {
        _ = read(&text);
    }
}
