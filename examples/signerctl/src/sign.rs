//! `sign`: has a key sign a transaction.

use std::io::Read;
use std::path::Path;

use chain_signers::Encoding;
use signer_protocol::api::SignAnswer;
use signer_protocol::method::MAX_TRANSACTION_LEN;

use crate::arguments::{ParentArguments, SignArguments};
use crate::failure::Failure;
use crate::files;
use crate::output::Output;
use crate::service;
use crate::terminal::{escaped, escaped_whole};

pub(crate) async fn execute(
    arguments: SignArguments,
    parent: &ParentArguments,
    stdin: &mut dyn Read,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let SignArguments { key, encoding, chain_id, transaction: path } = arguments;
    let client = service::client(parent)?;
    let transaction = read_transaction(&path, encoding.into(), stdin)?;
    let signed = client.sign(&key, encoding.into(), &transaction, chain_id.as_deref()).await?;
    show(&signed, output)
}

/// Reads a transaction, which may be written as hex if it is binary.
pub(crate) fn read_transaction(path: &Path, encoding: Encoding, stdin: &mut dyn Read) -> Result<Vec<u8>, Failure> {
    // Room for a binary transaction written as hex.
    let bytes = files::read(path, stdin, 2 * MAX_TRANSACTION_LEN as u64 + 16)?;
    if !matches!(encoding, Encoding::Binary | Encoding::Prehash) {
        return Ok(bytes);
    }
    let malformed = |error: hex::FromHexError| Failure::Malformed { path: path.to_owned(), detail: error.to_string() };
    Ok(from_hex(&bytes).map_err(malformed)?.unwrap_or(bytes))
}

/// Writes what was signed.
pub(crate) fn show(signed: &SignAnswer, output: &mut Output<'_>) -> Result<(), Failure> {
    output.result(signed, || {
        format!(
            "signed transaction  0x{}\ntransaction id      {}\nsummary             {}\nallowed by rule     {}",
            hex::encode(&signed.signed_transaction),
            escaped(&signed.transaction_id),
            escaped_whole(&signed.summary),
            escaped(&signed.rule)
        )
    })
}

/// The bytes of `0x` and hex, if that is how they are written. No chain's binary transactions begin with these two
/// characters.
pub(crate) fn from_hex(bytes: &[u8]) -> Result<Option<Vec<u8>>, hex::FromHexError> {
    match bytes.trim_ascii().strip_prefix(b"0x") {
        Some(digits) => hex::decode(digits).map(Some),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_transactions_are_taken_as_they_are_or_as_hex() {
        assert_eq!(from_hex(b" 0x02c0\n"), Ok(Some(vec![0x02, 0xc0])));
        assert_eq!(from_hex(&[0x02, 0xc0]), Ok(None));
        assert!(from_hex(b"0x02c").is_err());
    }
}
