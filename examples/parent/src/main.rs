//! The parent's binary: reads the configuration, starts the parent, waits for a signal or a failure.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser;
use parent::{Config, Parent};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Serves the HTTPS API of the signing service on the parent instance of an enclave.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Configuration file (JSON).
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Write the log as JSON, one object a line.
    #[arg(long)]
    log_json: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    start_log(arguments.log_json)?;
    // Before anything is started, so that a signal during the start is not lost.
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    let config = Config::from_file(&arguments.config)?;
    let mut parent = Parent::start(config).await.context("the parent does not start")?;
    let failure = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        error = parent.failed() => Some(error),
    };
    parent.shutdown().await;
    // Whatever supervises the parent learns from the exit status that it should be started again.
    failure.map_or(Ok(()), |error| Err(error.into()))
}

/// Logs to standard error; `RUST_LOG` chooses what, `info` by default.
fn start_log(json: bool) -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if json { log.json().try_init() } else { log.try_init() }
        .map_err(|error| anyhow::anyhow!("cannot start the log: {error}"))
}
