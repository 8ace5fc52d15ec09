//! `attestation`: reads and verifies attestation documents.

pub(crate) mod arguments;
mod certificate;
mod input;
mod inspect;
mod measurements;
mod public_key;
mod refusal;
mod text;
mod verify;
mod view;

use std::io::Read;

use crate::failure::Failure;
use crate::output::Output;

use self::arguments::AttestationCommand;
pub(crate) use self::refusal::{Refusal, variant_name};

pub(crate) fn execute(
    command: AttestationCommand,
    stdin: &mut dyn Read,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    match command {
        AttestationCommand::Inspect(arguments) => inspect::execute(&arguments, stdin, output),
        AttestationCommand::Verify(arguments) => verify::execute(&arguments, stdin, output),
    }
}
