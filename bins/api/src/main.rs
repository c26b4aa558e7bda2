//! The API server: settings from the environment, then serving until SIGTERM or SIGINT.

use clap::Command;
use std::process::ExitCode;
use steadfast_app::{Drained, Settings, StartError, install_logs, run, settings, shutdown_signal};

const ABOUT: &str = "Serves the API of Steadfast. Everything is chosen by environment variables. \
                     Ends on SIGTERM or SIGINT, after the requests under way.";

#[tokio::main]
async fn main() -> ExitCode {
    let command = Command::new("steadfast-api").version(env!("CARGO_PKG_VERSION")).about(ABOUT);
    command.after_help(settings::help()).get_matches();
    match serve().await {
        Ok(Drained::Completely) => ExitCode::SUCCESS,
        Ok(Drained::CutOff(_)) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(if matches!(error, StartError::Settings(_)) { 2 } else { 1 })
        }
    }
}

async fn serve() -> Result<Drained, StartError> {
    let settings = Settings::read(&|name| std::env::var(name).ok())?;
    let _logs = install_logs(&settings)?;
    run(settings, shutdown_signal()?).await
}
