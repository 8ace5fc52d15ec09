//! The roles' processes, bound to this process by pipes.
//!
//! What a role needs to know goes to it as one line of JSON on standard input, never in arguments or the environment,
//! which other processes can read. It answers one line when it is ready. The pipe then stays open for as long as the
//! role shall run: a role whose standard input ends, because its owner let go or died, stops by itself.

use std::process::Stdio;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::role::Role;

/// Every process of a stack. They are registered as soon as they exist, so that none outlives [`stop_all`].
///
/// [`stop_all`]: Self::stop_all
#[derive(Debug, Default)]
pub(crate) struct Processes(Mutex<Vec<RoleProcess>>);

/// A process of [`Processes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProcessId(u32);

#[derive(Debug)]
struct RoleProcess {
    id: ProcessId,
    role: Role,
    process: Child,
    /// Open for as long as the role shall run.
    stdin: Option<ChildStdin>,
}

impl Processes {
    /// Starts `role` from this executable, hands it `bootstrap` and waits until it says that it is ready.
    pub(crate) async fn start<B: Serialize, R: DeserializeOwned>(
        &self,
        role: Role,
        bootstrap: &B,
    ) -> anyhow::Result<(ProcessId, R)> {
        let mut process = Command::new(std::env::current_exe().context("cannot find this executable")?)
            .args(["role", role.name()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start the {} process", role.name()))?;
        let id = ProcessId(process.id().context("the process ended at once")?);
        let stdin = process.stdin.take().context("the process has no standard input")?;
        let stdout = process.stdout.take().context("the process has no standard output")?;
        self.lock().push(RoleProcess { id, role, process, stdin: None });
        match timeout(START_DEADLINE, hand_over(stdin, stdout, bootstrap)).await {
            Ok(Ok((stdin, ready))) => {
                self.keep_open(id, stdin);
                Ok((id, ready))
            }
            Ok(Err(error)) => Err(error.context(format!("the {} process did not start", role.name()))),
            Err(_) => bail!("the {} process was not ready within {START_DEADLINE:?}", role.name()),
        }
    }

    /// Lets one role stop, and waits until it has.
    pub(crate) async fn stop(&self, id: ProcessId) -> anyhow::Result<()> {
        let process = {
            let mut processes = self.lock();
            let at = processes.iter().position(|p| p.id == id).context("the process has been stopped already")?;
            processes.remove(at)
        };
        process.stop().await
    }

    /// Lets every role stop, and waits until all have.
    ///
    /// They are let go together: one that stops waits for what others hold open, as the parent's relay does for connections
    /// to KMS that the enclave keeps.
    pub(crate) async fn stop_all(&self) -> anyhow::Result<()> {
        for process in self.lock().iter_mut() {
            process.let_go();
        }
        let mut outcome = Ok(());
        loop {
            let Some(process) = self.lock().pop() else { return outcome };
            let stopped = process.stop().await;
            outcome = outcome.and(stopped);
        }
    }

    fn keep_open(&self, id: ProcessId, stdin: ChildStdin) {
        if let Some(process) = self.lock().iter_mut().find(|process| process.id == id) {
            process.stdin = Some(stdin);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<RoleProcess>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RoleProcess {
    fn let_go(&mut self) {
        drop(self.stdin.take());
    }

    async fn stop(mut self) -> anyhow::Result<()> {
        let name = self.role.name();
        self.let_go();
        if let Ok(status) = timeout(STOP_DEADLINE, self.process.wait()).await {
            let status = status?;
            ensure!(status.success(), "the {name} process ended with {status}");
            return Ok(());
        }
        self.process.kill().await?;
        bail!("the {name} process did not stop within {STOP_DEADLINE:?} and was killed")
    }
}

/// Writes the bootstrap and reads the answer; gives back the pipe, which is to be kept open.
async fn hand_over<B: Serialize, R: DeserializeOwned>(
    mut stdin: ChildStdin,
    stdout: impl AsyncRead + Unpin,
    bootstrap: &B,
) -> anyhow::Result<(ChildStdin, R)> {
    let mut line = Zeroizing::new(serde_json::to_vec(bootstrap)?);
    line.push(b'\n');
    stdin.write_all(&line).await?;
    stdin.flush().await?;
    Ok((stdin, read_line(stdout).await?))
}

/// Reads one line of JSON, at most [`MAX_LINE_LEN`] bytes.
pub(crate) async fn read_line<T: DeserializeOwned>(from: impl AsyncRead + Unpin) -> anyhow::Result<T> {
    let mut line = Zeroizing::new(Vec::new());
    BufReader::new(from).take(MAX_LINE_LEN).read_until(b'\n', &mut line).await?;
    ensure!(line.last() == Some(&b'\n'), "the line of JSON was cut off");
    Ok(serde_json::from_slice(&line)?)
}

const START_DEADLINE: Duration = Duration::from_secs(60);
const STOP_DEADLINE: Duration = Duration::from_secs(10);
const MAX_LINE_LEN: u64 = 256 * 1024;
