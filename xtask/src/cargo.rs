//! The cargo that started this command.

use crate::workspace::Workspace;
use std::ffi::OsString;
use std::process::Command;

/// Returns a cargo command in the workspace.
pub(crate) fn cargo(workspace: &Workspace) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.current_dir(workspace.root());
    command
}
