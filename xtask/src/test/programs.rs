//! Programs besides PostgreSQL that tests start for themselves: `redis-server` and `pgbouncer`.

use super::server::{apt_get, is_apt_usable};
use anyhow::{Context as _, ensure};
use steadfast_testkit::{RedisBinary, find_program};

/// Installs what is missing where the caller may; otherwise the error names the command. Nothing is started.
///
/// The programs are small and no registry but the system's offers them, so they are installed outside of CI too.
pub(super) fn provide() -> anyhow::Result<()> {
    if let Err(missing) = RedisBinary::find() {
        ensure!(may_install(is_apt_usable(), std::env::var_os("STEADFAST_REDIS_BIN").is_some()), missing);
        install("redis-server")?;
        RedisBinary::find().context("Redis was installed but is still not found")?;
    }
    if find_program("pgbouncer").is_none() {
        ensure!(
            is_apt_usable(),
            "no pgbouncer on this machine; install it with the system's package manager"
        );
        install("pgbouncer")?;
    }
    Ok(())
}

/// An installation does not correct a wrong setting.
fn may_install(is_apt_usable: bool, is_named: bool) -> bool {
    is_apt_usable && !is_named
}

fn install(package: &str) -> anyhow::Result<()> {
    println!("{package}: not on this machine; running apt-get install {package}");
    let install = || apt_get(&["install", "--yes", "--no-install-recommends", package]);
    install().or_else(|_| apt_get(&["update"]).and_then(|()| install()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_installed_without_apt_get_or_for_a_wrong_setting() {
        assert!(may_install(true, false));
        assert!(!may_install(false, false) && !may_install(true, true));
    }
}
