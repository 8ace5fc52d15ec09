//! `keys address`.

use std::io::Read;

use serde::Serialize;

use super::key_file;
use super::payload::NamedChain;
use crate::arguments::AddressArguments;
use crate::failure::Failure;
use crate::output::Output;
use crate::terminal::escaped;

pub(crate) fn address(
    arguments: &AddressArguments,
    stdin: &mut dyn Read,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let chain = NamedChain::parse(&arguments.chain)?;
    let key = match (&arguments.public_key, arguments.key_file()) {
        (Some(text), _) => chain.public_key(text)?,
        (None, Some(file)) => key_file::read(&file, chain.chain.curve(), stdin)?.verifying_key(),
        (None, None) => return Err(Failure::NoKey),
    };
    let address = chain.address(&key)?;
    let object = Addressed {
        address: &address,
        chain: &arguments.chain,
        curve: key.curve().as_str(),
        public_key: hex::encode(key.to_bytes()),
    };
    output.result(&object, || escaped(&address).to_string())
}

/// What `keys address --json` prints.
#[derive(Serialize)]
struct Addressed<'a> {
    address: &'a str,
    chain: &'a str,
    curve: &'static str,
    public_key: String,
}
