//! `up` in the foreground: shows what the API logs, until Ctrl-C, `down`, or the end of a part.

use crate::down;
use crate::up::services::Service;
use crate::up::stack::Processes;
use crate::up::steps::{is_interrupted, say};
use crate::workspace::Workspace;
use std::fs::File;
use std::io::Write as _;
use std::time::Duration;
use steadfast_testkit::Server;

const POLL: Duration = Duration::from_millis(200);

/// Follows `processes`, and stops them all when the user ends it or when one of them ends.
///
/// # Errors
/// The part that ended by itself.
pub(crate) fn until_the_end(workspace: &Workspace, processes: &Processes) -> anyhow::Result<()> {
    say("Ctrl-C ends it. The API's log:");
    let mut log = File::open(workspace.state("api.log"))?;
    let mut ended = None;
    while !is_interrupted() && ended.is_none() {
        std::thread::sleep(POLL);
        std::io::copy(&mut log, &mut std::io::stdout().lock())?;
        std::io::stdout().flush()?;
        ended = ended_part(processes);
    }
    let _lock = workspace.lock()?;
    // Another command has stopped it, or started it anew: then nothing of it is ours any more.
    if Processes::read(workspace) != *processes {
        return Ok(());
    }
    down::stop(workspace)?;
    match ended {
        Some(part) => {
            anyhow::bail!("{part} ended by itself; its log is in {}", workspace.state("").display())
        }
        None => Ok(()),
    }
}

fn ended_part(processes: &Processes) -> Option<&'static str> {
    let ended = |service: &Option<Service>| service.as_ref().is_some_and(|service| !service.is_running());
    if ended(&processes.api) {
        return Some("the API");
    }
    if ended(&processes.sandbox) {
        return Some("the PIDKey stand-in");
    }
    let server = processes.server.as_deref();
    server.is_some_and(|folder| Server::running(folder).is_none()).then_some("PostgreSQL")
}

#[cfg(test)]
mod tests {
    use super::*;
    use steadfast_testkit::StopMode;

    #[test]
    fn the_end_of_the_private_server_is_the_end_of_a_part() {
        let server = Server::private().unwrap();
        let processes =
            Processes { server: server.data_folder().parent().map(Into::into), ..Processes::default() };
        assert_eq!(ended_part(&processes), None);
        server.stop(StopMode::Fast).unwrap();
        assert_eq!(ended_part(&processes), Some("PostgreSQL"));
        assert_eq!(ended_part(&Processes::default()), None, "somebody else's server is not ours to watch");
    }
}
