//! Everything on one machine: a simulated NSM and KMS, and the real enclave service, parent and clients around them.

mod child;
mod demo;
mod narrator;
mod role;
mod stack;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::narrator::Narrator;
use crate::role::Role;
use crate::stack::Ground;

/// Everything on one machine, over a simulated NSM and KMS.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// One transaction signed end to end, and a changed enclave refused. Exit code 0 only if every step held.
    Demo {
        /// Print one JSON object on the last line of standard output; the story goes to standard error.
        #[arg(long)]
        json: bool,
    },
    /// Plays one process of the stack; the stack starts these itself.
    #[command(hide = true)]
    Role {
        /// What to play.
        role: Role,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = Runtime::new().map_err(anyhow::Error::from).and_then(|runtime| {
        let outcome = runtime.block_on(async {
            match arguments.command {
                Command::Demo { json } => demo(json).await,
                Command::Role { role } => role::run(role).await.map(|()| ExitCode::SUCCESS),
            }
        });
        // A read of standard input that is still under way must not keep the process alive.
        runtime.shutdown_background();
        outcome
    });
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

/// Runs the demo until it ends or a signal arrives. Either way its processes and files are gone before this returns.
async fn demo(json: bool) -> anyhow::Result<ExitCode> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut narrator = Narrator::new(json);
    let ground = Ground::prepare()?;
    let ending = tokio::select! {
        outcome = demo::tell(&mut narrator, &ground) => Ending::Told(outcome),
        _ = terminate.recv() => Ending::Signal(15),
        _ = interrupt.recv() => Ending::Signal(2),
    };
    let cleared = ground.clear().await;
    let outcome = match ending {
        Ending::Told(outcome) => outcome?,
        // The convention of shells for a process that a signal ended.
        Ending::Signal(number) => return cleared.map(|()| ExitCode::from(128 + number)),
    };
    cleared?;
    if json {
        println!("{}", serde_json::to_string(&outcome)?);
    }
    Ok(ExitCode::SUCCESS)
}

/// How the demo ended.
enum Ending {
    Told(anyhow::Result<demo::Outcome>),
    Signal(u8),
}
