//! The servers in a process of their own, so that the time of this one is the client's alone.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};

use super::servers::{Offer, Order, Servers};
use crate::attested::Failure;

/// The argument by which a program that calls [`serve`] is told to.
pub const ARGUMENT: &str = "--serve-kms";

/// This program a second time, as a server; it ends when this is dropped, or this process ends.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
}

impl ServerProcess {
    /// Starts it, and waits until it serves.
    ///
    /// # Errors
    /// If it does not start, or says something else than what it serves.
    pub fn start(order: &Order) -> Result<(Self, Offer), Failure> {
        let program = std::env::current_exe()?;
        let child = Command::new(program).arg(ARGUMENT).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
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

/// Serves what standard input says, says where, and goes on until standard input ends.
///
/// # Errors
/// If it is not told what to serve, or cannot.
pub fn serve() -> Result<(), Failure> {
    let mut input = std::io::stdin().lock();
    let mut line = String::new();
    input.read_line(&mut line)?;
    let order: Order = serde_json::from_str(&line)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let servers = runtime.block_on(Servers::start(&order))?;
    println!("{}", serde_json::to_string(servers.offer())?);
    input.read_to_end(&mut Vec::new())?;
    Ok(())
}
