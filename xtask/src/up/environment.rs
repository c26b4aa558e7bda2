//! The environment of the stack's programs: none of the caller's settings.
//!
//! A shell may have the variables of another deployment, production among them. The stack is told everything that it
//! uses explicitly.

use std::ffi::OsStr;
use std::process::Command;

/// Variables that say how programs run on this machine, and nothing about where data is.
const PASSED: [&str; 13] = [
    "DYLD_LIBRARY_PATH",
    "HOME",
    "LANG",
    "LD_LIBRARY_PATH",
    "LOGNAME",
    "PATH",
    "RUST_BACKTRACE",
    "RUST_LIB_BACKTRACE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TMPDIR",
    "TZ",
    "USER",
];

/// Beginnings of more such variables: the locale, and how much the API logs.
const PASSED_PREFIXES: [&str; 2] = ["LC_", "LOG_"];

/// Makes `command` start with those variables of the caller that choose no database and no other service.
pub(crate) fn isolate(command: &mut Command) -> &mut Command {
    command.env_clear().envs(std::env::vars_os().filter(|(name, _)| is_passed(name)))
}

fn is_passed(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return false };
    PASSED.contains(&name) || PASSED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::up::Arguments;
    use clap::{Args as _, FromArgMatches as _};

    /// Set in the process that plays `cargo xtask up` in a shell full of settings.
    const IS_UP: &str = "STEADFAST_TEST_IS_UP";

    #[test]
    fn stack_gets_no_settings_of_the_shell() {
        if std::env::var_os(IS_UP).is_some() {
            let given = Arguments::augment_args(clap::Command::new("up")).get_matches_from(["up"]);
            let given = Arguments::from_arg_matches(&given).unwrap();
            assert_eq!((given.database_url, given.redis_url), (None, None));
            assert!(isolate(&mut Command::new("env")).status().unwrap().success());
            return;
        }
        let settings = [
            "DATABASE_URL",
            "DATABASE_POOL_SIZE",
            "DB_TLS_CA_FILE",
            "DB_PROFILE",
            "POOL_SIZE",
            "MAX_OVERFLOW",
            "REDIS_URL",
            "REDIS_HOST",
            "CACHE_TTL",
            "PGHOST",
            "PGPASSWORD",
            "PGSERVICE",
            "PGSSLROOTCERT",
            "PGOPTIONS",
            "HTTP_HOST",
            "HOST",
            "PIDKEY_BASE_URL",
            "PIDKEY_API_KEY",
            "STEADFAST_API_KEY",
        ];
        let test = "up::environment::tests::stack_gets_no_settings_of_the_shell";
        let mut up = Command::new(std::env::current_exe().unwrap());
        up.args(["--exact", test, "--nocapture"]).env(IS_UP, "1").env("LOG_LEVEL", "debug");
        let output = up.envs(settings.map(|name| (name, "canary"))).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}");
        assert!(text.contains("PATH=") && text.contains("LOG_LEVEL=debug"), "{text}");
        let leaked: Vec<_> = text.lines().filter(|line| line.contains("canary")).collect();
        assert_eq!(leaked, [""; 0]);
    }
}
