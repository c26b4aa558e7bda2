//! The password file: lines of `host:port:database:user:password`, of which the first matching one counts.

use crate::error::UrlError;
use crate::parameters::Parameters;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Entries of a password file. Has no `Debug`, which would show passwords.
#[derive(Default)]
pub(super) struct Passfile {
    entries: Vec<[String; 5]>,
}

/// The login that needs a password.
pub(super) struct Login<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
}

impl Passfile {
    /// Reads the file named by `passfile` or `PGPASSFILE`, or `~/.pgpass` if it exists.
    ///
    /// # Errors
    /// Returns [`UrlError`] if the named file cannot be read or is accessible to others. A `~/.pgpass` that is
    /// accessible to others is ignored with a warning.
    pub(super) fn read(parameters: &mut Parameters<'_>) -> Result<Self, UrlError> {
        if let Some(named) = parameters.take("passfile") {
            let read = read_protected(Path::new(&named.value));
            return Ok(Self::parse(
                &read.map_err(|cause| named.refused(&format!("cannot be used: {cause}")))?,
            ));
        }
        let Some(home) = parameters.variable("HOME")? else { return Ok(Self::default()) };
        let path = PathBuf::from(home).join(".pgpass");
        if !path.exists() {
            return Ok(Self::default());
        }
        match read_protected(&path) {
            Ok(text) => Ok(Self::parse(&text)),
            Err(cause) => {
                tracing::warn!(cause, "the password file is not used");
                Ok(Self::default())
            }
        }
    }

    fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self { entries: lines.filter_map(fields).collect() }
    }

    /// Returns the password of the first entry that matches `login`.
    pub(super) fn password(&self, login: &Login<'_>) -> Option<&str> {
        let port = login.port.to_string();
        let wanted = [login.host, &port, login.database, login.user];
        let matches = |entry: &&[String; 5]| {
            entry.iter().zip(wanted).all(|(pattern, value)| pattern == "*" || pattern == value)
        };
        self.entries.iter().find(matches).map(|[.., password]| password.as_str())
    }
}

/// Reads a file unless its group or others have access, like libpq.
fn read_protected(path: &Path) -> Result<String, String> {
    let cause = |error: std::io::Error| format!("{}: {error}", path.display());
    let found = path.metadata().map_err(cause)?;
    if !found.is_file() {
        return Err(format!("{}: it is not a plain file", path.display()));
    }
    if found.permissions().mode() & 0o077 != 0 {
        return Err(format!("{}: its group or others have access, run chmod 0600 on it", path.display()));
    }
    std::fs::read_to_string(path).map_err(cause)
}

/// Splits a line into five fields. A backslash escapes the next character. The password extends to the end of the line
/// and may contain colons.
fn fields(line: &str) -> Option<[String; 5]> {
    let mut fields: [String; 5] = Default::default();
    let mut number = 0;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            ':' if number < 4 => number += 1,
            '\\' => fields[number].extend(characters.next()),
            other => fields[number].push(other),
        }
    }
    (number == 4).then_some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "\
# a comment
broken line
h:5432:shop:ann:one
h:*:*:ann:two
/run/pg:5432:*:*:three
with\\:colon:5432:back\\\\slash:*:four\\:\\\\:five
*:*:*:guest:
";

    fn password(host: &str, database: &str, user: &str) -> Option<String> {
        let login = Login { host, port: 5432, database, user };
        Passfile::parse(LINES).password(&login).map(str::to_owned)
    }

    #[test]
    fn first_matching_line_counts() {
        assert_eq!(password("h", "shop", "ann").as_deref(), Some("one"));
        assert_eq!(password("h", "bank", "ann").as_deref(), Some("two"));
        assert_eq!(password("/run/pg", "bank", "ann").as_deref(), Some("three"));
        assert_eq!(password("h", "shop", "bob"), None);
    }

    #[test]
    fn backslashes_escape_colons() {
        assert_eq!(password("with:colon", "back\\slash", "ann").as_deref(), Some("four:\\:five"));
    }
}
