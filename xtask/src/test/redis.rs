//! The program `redis-server`, of which tests start servers of their own.

use super::server::{apt_get, is_apt_usable};
use anyhow::{Context as _, ensure};
use steadfast_testkit::RedisBinary;

/// Installs it where it is missing and the caller may; else the error names the command. Nothing is started.
///
/// It is small, and unlike PostgreSQL no other place offers it, so it is installed outside CI too.
pub(super) fn provide() -> anyhow::Result<()> {
    let Err(missing) = RedisBinary::find() else { return Ok(()) };
    ensure!(may_install(is_apt_usable(), std::env::var_os("STEADFAST_REDIS_BIN").is_some()), missing);
    println!("redis: none on this machine; running apt-get install redis-server");
    install().or_else(|_| apt_get(&["update"]).and_then(|()| install()))?;
    RedisBinary::find().map(drop).context("Redis was installed and is still not found")
}

/// A mistaken setting is not mended by an installation.
fn may_install(is_apt_usable: bool, is_named: bool) -> bool {
    is_apt_usable && !is_named
}

fn install() -> anyhow::Result<()> {
    apt_get(&["install", "--yes", "--no-install-recommends", "redis-server"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_installed_without_apt_get_or_for_a_mistaken_setting() {
        assert!(may_install(true, false));
        assert!(!may_install(false, false) && !may_install(true, true));
    }
}
