//! Servers in a process of their own, so that the time of this one is the client's alone.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Builder;
use tokio::task::spawn_blocking;

use crate::attested::Failure;

/// Servers that this program can be in a second process.
pub trait Service: Sized {
    /// What [`ARGUMENT`] calls them.
    const NAME: &'static str;
    /// What to serve, and for whom.
    type Order: Serialize + DeserializeOwned;
    /// What is served, and where.
    type Offer: Serialize + DeserializeOwned;

    /// Starts them on the runtime and thread of the caller. They serve until dropped.
    fn start(order: &Self::Order) -> impl Future<Output = Result<Self, Failure>>;

    /// What is served.
    fn offer(&self) -> &Self::Offer;
}

/// The argument by which a program is told to call [`serve`]; after it comes which [`Service`].
pub const ARGUMENT: &str = "--serve";

/// This program a second time, as servers; it ends when this is dropped, or this process ends.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
}

impl ServerProcess {
    /// Starts it, and waits until it serves.
    ///
    /// # Errors
    /// If it does not start, or says something else than what it serves.
    pub fn start<S: Service>(order: &S::Order) -> Result<(Self, S::Offer), Failure> {
        // The same one, also if another build has taken its place meanwhile.
        let mut command = Command::new("/proc/self/exe");
        let child = command.args([ARGUMENT, S::NAME]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut process = Self { child };
        let stdin = process.child.stdin.as_mut().ok_or("no standard input")?;
        writeln!(stdin, "{}", serde_json::to_string(order)?)?;
        let stdout = process.child.stdout.take().ok_or("no standard output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let offer = serde_json::from_str(&line).map_err(|error| format!("the server process: {error}"))?;
        Ok((process, offer))
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // It may have ended by itself, which is all that is wanted.
        let _ended = self.child.kill().and_then(|()| self.child.wait());
    }
}

/// Serves what standard input says, on this thread, says where, and goes on until standard input ends.
///
/// # Errors
/// If it is not told what to serve, or cannot.
pub fn serve<S: Service>() -> Result<(), Failure> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let order = serde_json::from_str(&line)?;
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let servers = S::start(&order).await?;
        println!("{}", serde_json::to_string(servers.offer())?);
        spawn_blocking(|| io::stdin().lock().read_to_end(&mut Vec::new())).await??;
        Ok(())
    })
}
