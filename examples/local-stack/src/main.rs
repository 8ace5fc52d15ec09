//! Everything on one machine: a simulated NSM and KMS, and the real enclave service, parent and clients around them.

mod by_hand;
mod child;
mod demo;
mod every_chain;
mod hardware;
mod narrator;
mod outage;
mod role;
mod stack;
mod unsigned;

use std::future::pending;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::hardware::{Emulation, Hardware};
use crate::narrator::Narrator;
use crate::role::Role;
use crate::stack::{Ground, Stack};

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
        /// Simulate hardware that signs no attestation document, as QEMU's emulated enclaves have. Each that is believed
        /// is announced on standard error.
        #[arg(long, conflicts_with = "emulator")]
        unsigned: bool,
        /// Run the enclave's image in an emulated Nitro Enclave (QEMU), which is built first if it is not there.
        #[arg(long)]
        emulator: bool,
        /// The enclave's static program, as examples/eif/build-enclave makes it, instead of building it.
        #[arg(long, requires = "emulator")]
        program: Option<PathBuf>,
    },
    /// The same stack, left running until SIGINT or SIGTERM, for trying it with signerctl.
    Serve,
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
                Command::Demo { json, unsigned, emulator, program } => {
                    demo(json, unsigned, emulator.then_some(program)).await
                }
                Command::Serve => serve().await,
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

/// `emulator` is there if the emulator is wanted, and in it the program if that is there already.
async fn demo(json: bool, unsigned: bool, emulator: Option<Option<PathBuf>>) -> anyhow::Result<ExitCode> {
    let hardware = match emulator {
        Some(program) => Hardware::Emulated(Emulation::prepare(program.as_deref()).await?),
        None if unsigned => Hardware::Unsigned,
        None => Hardware::Simulated,
    };
    let mut narrator = Narrator::new(json);
    let told = on_ground(hardware, async |ground| demo::tell(&mut narrator, ground).await).await?;
    if let (Some(outcome), true) = (&told.outcome, json) {
        println!("{}", serde_json::to_string(outcome)?);
    }
    Ok(told.exit_code)
}

async fn serve() -> anyhow::Result<ExitCode> {
    let mut narrator = Narrator::new(false);
    let served = on_ground(Hardware::Simulated, async |ground| {
        let stack = Stack::start(&mut narrator, ground).await?;
        for (name, command) in by_hand::commands(ground, &stack).await? {
            narrator.detail(name, command);
        }
        narrator.step("ready; stop with Ctrl-C");
        pending::<anyhow::Result<()>>().await
    });
    Ok(served.await?.exit_code)
}

/// How work on the ground ended.
struct Ended<T> {
    /// Its outcome, unless a signal ended it.
    outcome: Option<T>,
    exit_code: ExitCode,
}

/// Runs `work` until it ends or a signal arrives. Either way its processes and files are gone before this returns.
async fn on_ground<T>(
    hardware: Hardware,
    work: impl AsyncFnOnce(&Ground) -> anyhow::Result<T>,
) -> anyhow::Result<Ended<T>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let ground = Ground::prepare(hardware)?;
    let ended = tokio::select! {
        outcome = work(&ground) => outcome.map(|outcome| Ended { outcome: Some(outcome), exit_code: ExitCode::SUCCESS }),
        // The convention of shells for a process that a signal ended.
        _ = terminate.recv() => Ok(Ended { outcome: None, exit_code: ExitCode::from(128 + 15) }),
        _ = interrupt.recv() => Ok(Ended { outcome: None, exit_code: ExitCode::from(128 + 2) }),
    };
    let cleared = ground.clear().await;
    let ended = ended?;
    cleared.map(|()| ended)
}
