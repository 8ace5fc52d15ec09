//! The processes of the stack. Each learns what it needs from one line on standard input ([`crate::child`]).

mod enclave;
mod kms;
mod parent;

use std::io::{ErrorKind, Write as _};

use anyhow::Context;
use clap::ValueEnum;
use serde::Serialize;
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{SignalKind, signal};

pub(crate) use self::enclave::{EnclaveBootstrap, EnclaveReady, measure};
pub(crate) use self::kms::{KmsBootstrap, KmsReady, Principal};
pub(crate) use self::parent::{ParentBootstrap, ParentReady};

/// What a process of the stack plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// AWS KMS.
    Kms,
    /// The enclave, over a simulated NSM.
    Enclave,
    /// The parent instance.
    Parent,
}

impl Role {
    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kms => "kms",
            Self::Enclave => "enclave",
            Self::Parent => "parent",
        }
    }
}

/// Plays `role` until standard input ends or SIGTERM arrives.
///
/// # Errors
/// What kept it from starting or from stopping cleanly.
pub(crate) async fn run(role: Role) -> anyhow::Result<()> {
    match role {
        Role::Kms => kms::run().await,
        Role::Enclave => enclave::run().await,
        Role::Parent => parent::run().await,
    }
}

/// Tells the owner that this role is ready.
fn announce(ready: &impl Serialize) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(ready)?;
    line.push(b'\n');
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(&line).and_then(|()| stdout.flush()) {
        // An owner that lets go during the start closes both pipes: the role is released at once.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot tell the owner of this process"),
    }
}

/// Waits until the owner lets go of the pipe.
///
/// SIGINT is heard and ignored: a terminal sends it to the whole group, and the owner decides when its roles stop.
async fn released() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut stdin = tokio::io::stdin();
    let mut byte = [0; 1];
    loop {
        tokio::select! {
            read = stdin.read(&mut byte) => if read? == 0 { return Ok(()) },
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => {}
        }
    }
}
