//! The operator's and caller's command line.
//!
//! [`run`] is the whole program; the binary hands it its arguments and standard streams.
//!
//! | command | does |
//! |---|---|
//! | `keys generate --family F --policy FILE` | creates a key inside the enclave |
//! | `keys list`, `keys show ID` | shows keys, one with its birth document |
//! | `sign --key ID [--encoding json\|binary] [--chain-id ID] FILE` | signs a transaction; `-` reads standard input |
//! | `health` | tells whether the service can sign |
//! | `key-policy render …` | prints the policy for the KMS key of an enclave ([`key_policy`]) |
//!
//! Those that talk to a parent take `--url https://host[:port]` and `--ca FILE.pem`; TLS is always verified.
//! With `--json`, standard output is one JSON object, `{"error": …}` if the command failed. A command line that cannot be
//! parsed is reported on standard error only.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | refused: by the policy, the enclave or KMS, or there is no such key |
//! | 2 | malformed input: a transaction, policy or value that cannot be used |
//! | 3 | unreadable or unreachable: a file, a stored key, the parent, the enclave or KMS |
//! | 64 | wrong usage of the command line |

mod arguments;
mod birth;
mod failure;
mod files;
pub mod key_policy;
mod keys;
mod output;
mod service;
mod sign;

use std::ffi::OsString;
use std::io::{Read, Write};

use clap::Parser as _;

use crate::arguments::{Arguments, Command};
use crate::failure::Failure;
use crate::output::Output;

/// The standard streams of one run.
#[derive(Debug)]
pub struct Streams<I, O, E> {
    /// Read if a command takes `-` as a file.
    pub stdin: I,
    /// Results.
    pub stdout: O,
    /// Errors, for people.
    pub stderr: E,
}

/// Runs one command and returns its exit code. `args` begins with the program's name.
pub async fn run<I: Read, O: Write, E: Write>(
    args: impl IntoIterator<Item = OsString>,
    mut streams: Streams<I, O, E>,
) -> u8 {
    let arguments = match Arguments::try_parse_from(args) {
        Ok(arguments) => arguments,
        Err(error) => return explain(&error, &mut streams),
    };
    let mut output = Output::new(&mut streams.stdout, arguments.json);
    let result = execute(arguments, &mut streams.stdin, &mut output).await;
    let Err(failure) = result else { return 0 };
    let reported = output.failure(&failure).and_then(|()| Ok(writeln!(streams.stderr, "signerctl: {failure}")?));
    // Streams that are closed cannot be told about; the exit code still says what happened.
    match reported {
        Ok(()) | Err(_) => failure.exit_code(),
    }
}

async fn execute(arguments: Arguments, stdin: &mut dyn Read, output: &mut Output<'_>) -> Result<(), Failure> {
    match arguments.command {
        Command::Health => service::health(&arguments.parent, output).await,
        Command::KeyPolicy { command } => key_policy::execute(command, output),
        Command::Keys { command } => keys::execute(command, &arguments.parent, stdin, output).await,
        Command::Sign(sign) => sign::execute(sign, &arguments.parent, stdin, output).await,
    }
}

/// What clap has to say: help and version on standard output, mistakes on standard error.
fn explain<I, O: Write, E: Write>(error: &clap::Error, streams: &mut Streams<I, O, E>) -> u8 {
    let text = error.render();
    let (written, code) = if error.use_stderr() {
        (write!(streams.stderr, "{text}"), failure::USAGE)
    } else {
        (write!(streams.stdout, "{text}"), 0)
    };
    if written.is_ok() { code } else { failure::UNREADABLE }
}
