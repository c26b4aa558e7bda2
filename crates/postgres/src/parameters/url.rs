//! Connection strings in URL form: `postgres://user:password@host:port,host:port/database?name=value`.

use super::{Assignment, Assignments};
use crate::error::UrlError;
use percent_encoding::percent_decode_str;

/// Returns the text after the scheme; `None` if `text` is not a URL for PostgreSQL.
pub(super) fn without_scheme(text: &str) -> Option<&str> {
    ["postgres://", "postgresql://"].into_iter().find_map(|scheme| text.strip_prefix(scheme))
}

/// Parses the text after the scheme.
///
/// # Errors
/// Returns [`UrlError`] if it is malformed. The error repeats nothing of it.
pub(super) fn read(rest: &str) -> Result<Assignments, UrlError> {
    let (credentials, rest) = split_credentials(rest);
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (hosts, database) = address.split_once('/').unwrap_or((address, ""));
    if address.contains('@') || (credentials.is_empty() && query.contains('@')) {
        // A password with a `/` would be parsed as port, database and parameters, and thus be shown.
        return Err(UrlError(
            "unexpected `@` after the first `/` or `?`: percent-encode the special characters of user, password, database \
             and parameters"
                .to_owned(),
        ));
    }
    let mut assignments = Assignments { has_stray_at_sign: query.contains('@'), ..Assignments::default() };
    let mut positional = |name: &str, value: String| {
        if !value.is_empty() {
            assignments.positional.push(Assignment { name: name.to_owned(), value });
        }
    };
    let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    positional("user", decoded(user)?);
    positional("password", decoded(password)?);
    positional("dbname", decoded(database)?);
    if !hosts.is_empty() {
        let (names, ports) = read_hosts(hosts)?;
        positional("host", names);
        positional("port", ports);
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or_else(|| {
            UrlError("a parameter has no value: write name=value and percent-encode `?` and `&`".to_owned())
        })?;
        assignments.named.push(named(decoded(name)?, decoded(value)?));
    }
    Ok(assignments)
}

/// Accepts JDBC's `ssl=true`, as libpq does.
fn named(name: String, value: String) -> Assignment {
    match (&*name, &*value) {
        ("ssl", "true") => Assignment { name: "sslmode".to_owned(), value: "require".to_owned() },
        _ => Assignment { name, value },
    }
}

/// Splits off user and password, which end at an `@` before the first `/`. Host names contain no `@`, so passwords may.
fn split_credentials(rest: &str) -> (&str, &str) {
    let authority = rest.split('/').next().unwrap_or_default();
    let Some(first) = authority.find('@') else { return ("", rest) };
    let end = authority[first..].find('?').map_or(authority.len(), |at| first + at);
    let last = authority[..end].rfind('@').unwrap_or(first);
    (&rest[..last], &rest[last + 1..])
}

/// Parses a list of hosts with ports into the values of the parameters `host` and `port`.
fn read_hosts(hosts: &str) -> Result<(String, String), UrlError> {
    let (mut names, mut ports) = (Vec::new(), Vec::new());
    for host in hosts.split(',') {
        let (name, port) = match host.strip_prefix('[') {
            Some(rest) => {
                let (name, port) = rest
                    .split_once(']')
                    .ok_or_else(|| UrlError("a host begins with `[` but has no `]`".to_owned()))?;
                (name, port.strip_prefix(':').unwrap_or(port))
            }
            None => host.split_once(':').unwrap_or((host, "")),
        };
        names.push(decoded(name)?);
        ports.push(decoded(port)?);
    }
    let has_ports = ports.iter().any(|port| !port.is_empty());
    Ok((names.join(","), if has_ports { ports.join(",") } else { String::new() }))
}

fn decoded(text: &str) -> Result<String, UrlError> {
    let decoded = percent_decode_str(text).decode_utf8();
    Ok(decoded.map_err(|_| UrlError("not UTF-8 after percent-decoding".to_owned()))?.into_owned())
}
