//! Lists the texts of the migrations for the fingerprint, and rebuilds the crate if one of them changes.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let migrations = Path::new("../../migrations");
    println!("cargo::rerun-if-changed={}", migrations.display());
    let mut files = Vec::new();
    for folder in fs::read_dir(migrations)? {
        for file in fs::read_dir(folder?.path())? {
            files.push(file?.path());
        }
    }
    files.sort();
    let list: io::Result<Vec<String>> = files.iter().map(|file| entry(file)).collect();
    let out = env::var_os("OUT_DIR").map(PathBuf::from).unwrap_or_default();
    fs::write(out.join("migrations.rs"), format!("[{}]", list?.concat()))
}

fn entry(file: &Path) -> io::Result<String> {
    println!("cargo::rerun-if-changed={}", file.display());
    let path = file.canonicalize()?;
    Ok(format!("({:?}, include_str!({:?})),", file.display().to_string(), path))
}
