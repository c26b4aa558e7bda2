//! Runs the stand-in until it is told to stop.

use anyhow::Context;
use clap::Parser;
use std::io::Write;
use std::net::SocketAddr;
use tokio::signal::unix::{SignalKind, signal};

/// A stand-in of PIDKey.com: the same wire format, answers made from the keys, failures on command.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Where to listen; port 0 takes a free port
    #[arg(
        long,
        env = "PIDKEY_SANDBOX_LISTEN",
        default_value = "127.0.0.1:8099",
        value_name = "ADDRESS:PORT"
    )]
    listen: SocketAddr,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { listen } = Arguments::parse();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let sandbox = pidkey_sandbox::start(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}: choose a free port with --listen"))?;
    announce(&sandbox)?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    sandbox.stop().await;
    Ok(())
}

/// Whoever started it reads the port from this line, so it has to leave at once, pipe or terminal.
fn announce(sandbox: &pidkey_sandbox::Sandbox) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "listening on http://{}", sandbox.addr())?;
    Ok(stdout.flush()?)
}
