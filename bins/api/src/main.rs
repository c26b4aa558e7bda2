//! The API server: settings from the environment, then serving until SIGTERM or SIGINT.

use clap::Command;
use std::process::ExitCode;
use steadfast_app::{Drained, Ended, Settings, StartError, install_logs, run, settings};
use tokio::runtime::Runtime;

const ABOUT: &str = "Serves the API of Steadfast. Everything is chosen by environment variables. \
                     SIGTERM or SIGINT ends it after the open requests; a second one ends it at once.";

fn main() -> ExitCode {
    let command = Command::new("steadfast-api").version(env!("CARGO_PKG_VERSION")).about(ABOUT);
    command.after_help(settings::help()).get_matches();
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&format!("cannot start threads: {error}"), 1),
    };
    let ended = runtime.block_on(serve());
    // A name lookup in the background must not hold up the end.
    runtime.shutdown_background();
    match ended {
        Ok(Ended::Drained(Drained::Completely)) => ExitCode::SUCCESS,
        Ok(Ended::Drained(Drained::CutOff(_)) | Ended::AtOnce) => ExitCode::FAILURE,
        Err(error) => {
            failed(&error.to_string(), if matches!(error, StartError::Settings(_)) { 2 } else { 1 })
        }
    }
}

fn failed(why: &str, code: u8) -> ExitCode {
    eprintln!("error: {why}");
    ExitCode::from(code)
}

async fn serve() -> Result<Ended, StartError> {
    let settings = Settings::read(&|name| std::env::var(name).ok()).inspect_err(|_| {
        // A misspelt name may be why another one is missing.
        settings::unknown_variables().iter().for_each(|unknown| eprintln!("warning: {unknown}"));
    })?;
    let _logs = install_logs(&settings)?;
    run(settings).await
}
