//! `tx decode` and `tx sign`.

use std::fmt::Write as _;
use std::io::Read;

use chain_signers::{Action, ChainSigner, Summary, Transaction};
use serde::Serialize;

use super::arguments::{DecodeArguments, SignLocallyArguments, TxCommand};
use super::key_file;
use super::payload::{NamedChain, PayloadFile};
use crate::failure::Failure;
use crate::files;
use crate::output::Output;
use crate::terminal::{escaped, escaped_whole};

pub(crate) fn execute(command: TxCommand, stdin: &mut dyn Read, output: &mut Output<'_>) -> Result<(), Failure> {
    match command {
        TxCommand::Decode(arguments) => decode(&arguments, stdin, output),
        TxCommand::Sign(arguments) => sign(&arguments, stdin, output),
    }
}

/// What `tx decode --json` prints.
#[derive(Serialize)]
struct Decoded<'a> {
    #[serde(flatten)]
    summary: &'a Summary,
    /// The canonical encoding.
    bytes: String,
}

/// What `tx sign --json` prints.
#[derive(Serialize)]
struct Signed<'a> {
    address: &'a str,
    signed_transaction: String,
    transaction_id: &'a str,
    summary: &'a str,
}

fn decode(arguments: &DecodeArguments, stdin: &mut dyn Read, output: &mut Output<'_>) -> Result<(), Failure> {
    let chain = NamedChain::parse(&arguments.payload.chain)?;
    let signer = arguments.public_key.as_deref().map(|text| chain.public_key(text)).transpose()?;
    let file = PayloadFile::read(&arguments.payload.transaction, arguments.payload.encoding, stdin)?;
    let transaction = file.decode(&chain, signer.as_ref())?;
    let bytes = format!("0x{}", hex::encode(transaction.to_bytes()));
    output.result(&Decoded { summary: transaction.summary(), bytes }, || describe(transaction.as_ref()))
}

fn describe(transaction: &dyn Transaction) -> String {
    let Summary { chain_id, actions, fee_ceiling, text } = transaction.summary();
    let fee = fee_ceiling.map_or_else(|| "cannot be told".to_owned(), |fee| format!("at most {fee}"));
    let mut lines = format!("{}\nchain    {chain_id}\nfee      {fee}", escaped_whole(text));
    for action in actions {
        // Writing to a string does not fail.
        let _ = write!(lines, "\naction   {}", escaped_whole(&in_words(action)));
    }
    lines
}

/// The action as JSON: what a policy sees.
fn in_words(action: &Action) -> String {
    serde_json::to_string(action).unwrap_or_else(|_| format!("{action:?}"))
}

fn sign(arguments: &SignLocallyArguments, stdin: &mut dyn Read, output: &mut Output<'_>) -> Result<(), Failure> {
    let both =
        [Some(&arguments.payload.transaction), Some(&arguments.key.key_file), arguments.key.passphrase_file.as_ref()];
    files::at_most_one_stdin(both.into_iter().flatten())?;
    let chain = NamedChain::parse(&arguments.payload.chain)?;
    let key = key_file::read(&arguments.key, chain.chain.curve(), stdin)?;
    let signer = ChainSigner::new(chain.chain.clone(), key).map_err(Failure::signing)?;
    let file = PayloadFile::read(&arguments.payload.transaction, arguments.payload.encoding, stdin)?;
    let transaction = file.decode(&chain, Some(signer.verifying_key()))?;
    let signed = signer.sign(transaction.as_ref()).map_err(Failure::signing)?;
    let summary = &transaction.summary().text;
    let signed_transaction = format!("0x{}", hex::encode(&signed.bytes));
    let object = Signed { address: signer.address(), signed_transaction, transaction_id: &signed.id, summary };
    output.result(&object, || {
        format!(
            "signed transaction  {}\ntransaction id      {}\nsummary             {}\nsigned by           {}",
            object.signed_transaction,
            escaped(object.transaction_id),
            escaped_whole(summary),
            escaped(object.address)
        )
    })
}
