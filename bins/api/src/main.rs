//! The API server. Reads settings from the environment and serves until SIGTERM or SIGINT.

use clap::Command;
use std::process::ExitCode;
use steadfast_app::{Drained, Ended, Settings, StartError, install_logs, run, settings};
use tokio::runtime::Runtime;

const ABOUT: &str = "Serves the API of Steadfast. Configured by environment variables. \
                     At SIGTERM or SIGINT it completes open requests and exits; a second signal ends it at once.";

fn main() -> ExitCode {
    let command = Command::new("steadfast-api").version(env!("CARGO_PKG_VERSION")).about(ABOUT);
    command.after_help(settings::help()).get_matches();
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&format!("cannot start threads: {error}"), 1),
    };
    let ended = runtime.block_on(serve());
    // A name lookup in the background must not delay the exit.
    runtime.shutdown_background();
    match ended {
        Ok(Ended::Drained(Drained::Completely)) => ExitCode::SUCCESS,
        Ok(Ended::Drained(Drained::CutOff(_)) | Ended::AtOnce) => ExitCode::FAILURE,
        Err(error) => {
            failed(&error.to_string(), if matches!(error, StartError::Settings(_)) { 2 } else { 1 })
        }
    }
}

fn failed(error: &str, code: u8) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(code)
}

async fn serve() -> Result<Ended, StartError> {
    let settings = Settings::read(&|name| std::env::var(name).ok()).inspect_err(|_| {
        // A required setting may be missing because its name is misspelt.
        settings::unknown_variables().iter().for_each(|unknown| eprintln!("warning: {unknown}"));
    })?;
    let _logs = install_logs(&settings)?;
    run(settings).await
}
