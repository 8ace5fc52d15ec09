//! Results: text for people, or one JSON object for programs.

use std::io::Write;

use serde::Serialize;
use serde_json::json;
use signer_protocol::client::ClientError;

use crate::failure::Failure;

/// Standard output in the form that was asked for.
pub(crate) struct Output<'a> {
    stream: &'a mut dyn Write,
    json: bool,
    /// Whether the one object was written.
    done: bool,
}

impl<'a> Output<'a> {
    pub(crate) fn new(stream: &'a mut dyn Write, json: bool) -> Self {
        Self { stream, json, done: false }
    }

    /// Writes a result: the object, or the lines that `text` gives.
    pub(crate) fn result(&mut self, object: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), Failure> {
        self.done = true;
        if self.json {
            serde_json::to_writer(&mut *self.stream, object).map_err(std::io::Error::from)?;
            writeln!(self.stream)?;
        } else {
            writeln!(self.stream, "{}", text())?;
        }
        Ok(self.stream.flush()?)
    }

    /// Writes a failure as the one object, unless a result was written already.
    pub(crate) fn failure(&mut self, failure: &Failure) -> Result<(), Failure> {
        if !self.json || self.done {
            return Ok(());
        }
        let problem = match failure {
            Failure::Client(ClientError::Problem(problem)) => Some(problem),
            _ => None,
        };
        let object = json!({
            "error": {"kind": failure.kind(), "message": failure.to_string(), "problem": problem},
        });
        self.result(&object, String::new)
    }
}
