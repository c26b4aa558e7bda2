//! Counts of instructions and allocations per request, which other work of the machine does not change.
//!
//! Each contestant runs under callgrind with one worker thread. Instructions of the kernel are not included.

use crate::client::Target;
use crate::data::Data;
use crate::servers::Server;
use anyhow::{Context as _, Result, ensure};
use std::collections::HashMap;
use std::process::Command;

/// Requests before the counted ones: enough for the connection, its prepared statement and all cached codes.
const WARM_UP: usize = 600;

/// Counted requests.
const REQUESTS: usize = 1_000;

/// Functions of the C library that allocate.
const ALLOCATING: [&str; 5] = ["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc"];

/// Contestants to count.
const NAMES: [&str; 5] = ["endpoint", "bare-bb8", "cached", "health", "bare-handler"];

/// Prints the counts of all contestants. Their profiles remain in the temporary folder, for `callgrind_annotate`.
pub(crate) fn count(data: &Data) -> Result<()> {
    let folder = std::env::temp_dir().join("steadfast-http-peers");
    std::fs::create_dir_all(&folder)?;
    println!("profiles in {}\n", folder.display());
    println!("{:<16} {:>20} {:>20}", "", "instructions/request", "allocations/request");
    for name in NAMES {
        let server = if name == "health" { "cached" } else { name };
        let output = format!("{}/{name}", folder.display());
        let option = format!("--callgrind-out-file={output}");
        let server =
            Server::start_under(&["valgrind", "--quiet", "--tool=callgrind", &option], server, data)?;
        let target = match name {
            "health" | "bare-handler" => Target::one("counted", &server, "/health/live"),
            _ => Target::codes(&server, data),
        };
        target.send(WARM_UP)?;
        control("--zero", server.pid())?;
        target.send(REQUESTS)?;
        control("--dump", server.pid())?;
        // callgrind appends the number of the dump.
        let profile = std::fs::read_to_string(format!("{output}.1"))?;
        let (instructions, allocations) = totals(&profile)?;
        let per_request = |count: u64| count as f64 / REQUESTS as f64;
        println!("{name:<16} {:>20.0} {:>20.1}", per_request(instructions), per_request(allocations));
    }
    Ok(())
}

/// Sends a command to callgrind.
fn control(command: &str, process: u32) -> Result<()> {
    let mut control = Command::new("callgrind_control");
    let output = control.arg(command).arg(process.to_string()).output();
    let output = output.context("cannot run callgrind_control")?;
    ensure!(output.status.success(), "callgrind_control: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Returns the numbers of instructions and of allocations in a profile.
fn totals(profile: &str) -> Result<(u64, u64)> {
    let mut names = HashMap::new();
    let (mut instructions, mut allocations, mut callee) = (None, 0, "");
    for line in profile.lines() {
        if let Some((key, function)) = line.split_once("fn=") {
            // A name is written once, as `(7) malloc`, and later repeated as `(7)`.
            let (id, name) = function.split_once(' ').unwrap_or((function, ""));
            let name = *names.entry(id).or_insert(name);
            callee = if key == "c" { name } else { callee };
        } else if let Some(calls) = line.strip_prefix("calls=") {
            let count: u64 = calls.split(' ').next().unwrap_or_default().parse()?;
            allocations += if ALLOCATING.contains(&callee) { count } else { 0 };
        } else if let Some(total) = line.strip_prefix("totals:") {
            instructions = Some(total.trim().parse()?);
        }
    }
    Ok((instructions.context("a profile without totals")?, allocations))
}
