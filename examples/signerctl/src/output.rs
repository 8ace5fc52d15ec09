//! Results: text for people, or one JSON object for programs.

use std::fmt;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;
use signer_protocol::client::{ClientError, Problem};

use crate::attestation::Refusal;
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
    pub(crate) fn result<T: fmt::Display>(
        &mut self,
        object: &impl Serialize,
        text: impl FnOnce() -> T,
    ) -> Result<(), Failure> {
        self.done = true;
        if self.json {
            let mut serializer = Serializer::with_formatter(&mut *self.stream, AsciiFormatter);
            object.serialize(&mut serializer).map_err(io::Error::from)?;
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
        self.result(&ErrorObject { error: ErrorMembers::new(failure) }, String::new)
    }
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    error: ErrorMembers<'a>,
}

#[derive(Serialize)]
struct ErrorMembers<'a> {
    kind: &'static str,
    message: String,
    problem: Option<&'a Problem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(flatten)]
    comparison: Option<Comparison<'a>>,
}

/// What a rejected document should have said, and what it says.
#[derive(Serialize)]
struct Comparison<'a> {
    expected: &'a [String],
    actual: Option<&'a str>,
}

impl<'a> ErrorMembers<'a> {
    fn new(failure: &'a Failure) -> Self {
        let problem = match failure {
            Failure::Client(ClientError::Problem(problem)) => Some(&**problem),
            _ => None,
        };
        let (message, comparison) = match failure {
            Failure::Rejected(refusal) => {
                let Refusal { rejection, expected, actual, .. } = &**refusal;
                (rejection.to_string(), Some(Comparison { expected, actual: actual.as_deref() }))
            }
            _ => (failure.to_string(), None),
        };
        Self {
            kind: failure.kind(),
            message,
            problem,
            reason: failure.reason(),
            rule: failure.rule(),
            request_id: failure.request_id(),
            comparison,
        }
    }
}

/// JSON in printable ASCII: other characters as escapes, which mean the same to programs and nothing to terminals.
struct AsciiFormatter;

impl Formatter for AsciiFormatter {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        write_ascii(writer, fragment)
    }

    // In JSON that is passed through, such characters stand in strings alone as well.
    fn write_raw_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        write_ascii(writer, fragment)
    }
}

fn write_ascii<W: ?Sized + Write>(writer: &mut W, fragment: &str) -> io::Result<()> {
    let is_plain = |c: char| c.is_ascii() && c != DELETE;
    let mut rest = fragment;
    while let Some((at, other)) = rest.char_indices().find(|(_, c)| !is_plain(*c)) {
        writer.write_all(&rest.as_bytes()[..at])?;
        for unit in other.encode_utf16(&mut [0; 2]) {
            write!(writer, "\\u{unit:04x}")?;
        }
        rest = &rest[at + other.len_utf8()..];
    }
    writer.write_all(rest.as_bytes())
}

const DELETE: char = '\x7f';

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;
    use serde_json::{Value, json};

    use super::*;

    fn written(object: &impl Serialize) -> String {
        let mut stream = Vec::new();
        Output::new(&mut stream, true).result(object, String::new).unwrap();
        String::from_utf8(stream).unwrap()
    }

    #[test]
    fn json_is_ascii_and_means_the_same() {
        let object = json!({"\u{202e}key": "\x1b[2J\x7f\u{9b}\u{1f600}\"\\ plain"});
        let line = written(&object);
        assert!(line.trim_end().bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line}");
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), object);
    }

    #[test]
    fn json_that_is_passed_through_is_ascii_too() {
        let raw = RawValue::from_string("[\"\u{e9}\u{7f}\", 1]".to_owned()).unwrap();
        assert_eq!(written(&raw), "[\"\\u00e9\\u007f\", 1]\n");
    }
}
