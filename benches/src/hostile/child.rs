//! This program once more, in a process of its own, which is asked and answers in lines of JSON.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::attested::Failure;

/// It ends when this is dropped, or this process ends.
#[derive(Debug)]
pub(super) struct ChildProcess {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl ChildProcess {
    /// Starts this program with `argument`, by which it is to call [`answer`].
    pub(super) fn start(argument: &str) -> Result<Self, Failure> {
        // The same one, also if another build has taken its place meanwhile.
        let program = "/proc/self/exe";
        let mut child = Command::new(program).arg(argument).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let questions = child.stdin.take().ok_or("no standard input")?;
        let answers = BufReader::new(child.stdout.take().ok_or("no standard output")?);
        Ok(Self { child, questions, answers })
    }

    pub(super) fn ask<Q: Serialize, A: DeserializeOwned>(&mut self, question: &Q) -> Result<A, Failure> {
        writeln!(self.questions, "{}", serde_json::to_string(question)?)?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        serde_json::from_str(&line).map_err(|error| format!("a process of this row: {error}").into())
    }

    /// How many descriptors it has open.
    pub(super) fn descriptors(&self) -> Result<usize, Failure> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.child.id()))?.count())
    }

    /// The most bytes that were resident since it began.
    pub(super) fn peak_resident(&self) -> Result<f64, Failure> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no peak of the resident set")?;
        let kilobytes: f64 = line.trim().strip_suffix(" kB").ok_or("another unit than kB")?.trim().parse()?;
        Ok(kilobytes * 1024.0)
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        // It may have ended by itself, which is all that is wanted.
        let _ended = self.child.kill().and_then(|()| self.child.wait());
    }
}

/// Answers what comes on standard input until it ends.
pub(super) fn answer<Q: DeserializeOwned, A: Serialize>(mut answer: impl FnMut(Q) -> A) -> Result<(), Failure> {
    for line in std::io::stdin().lines() {
        println!("{}", serde_json::to_string(&answer(serde_json::from_str(&line?)?))?);
    }
    Ok(())
}
