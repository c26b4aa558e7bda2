//! Runs the sandbox until SIGINT or SIGTERM.

use anyhow::Context;
use clap::Parser;
use std::io::Write;
use std::net::SocketAddr;
use tokio::signal::unix::{SignalKind, signal};

/// Local server that behaves like PIDKey.com: the same wire format, deterministic responses, simulated failures.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Address to listen on; port 0 selects a free port
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

/// Prints the address and flushes it, because the parent process waits for this line.
fn announce(sandbox: &pidkey_sandbox::Sandbox) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "listening on http://{}", sandbox.addr())?;
    Ok(stdout.flush()?)
}
