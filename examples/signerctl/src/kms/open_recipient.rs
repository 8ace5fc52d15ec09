//! `kms open-recipient`: opens enveloped data with a key from a file.

use std::borrow::Cow;
use std::io::Read;

use kms_enclave_client::cms::EnvelopedData;
use serde::Serialize;
use zeroize::Zeroizing;

use super::arguments::OpenRecipientArguments;
use super::failure::KmsFailure;
use super::{check_files, private_key};
use crate::base64_text;
use crate::failure::Failure;
use crate::files;
use crate::output::Output;

/// What was opened. `lib.rs` documents the fields.
#[derive(Serialize)]
struct Opened<'a> {
    plaintext_hex: &'a str,
    len: usize,
    /// `None` if the recipient is named by issuer and serial number.
    subject_key_identifier: Option<String>,
}

pub(crate) fn execute(
    arguments: &OpenRecipientArguments,
    stdin: &mut dyn Read,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let OpenRecipientArguments { key, input } = arguments;
    check_files(&[Some(key), Some(input)], None)?;
    let recipient = private_key::read(key, stdin)?;
    let bytes = files::read(input, stdin, MAX_INPUT_LEN)?;
    let malformed = |detail: String| Failure::Malformed { path: input.clone(), detail };
    let bytes = decode(&bytes).map_err(malformed)?;
    let data = EnvelopedData::from_bytes(&bytes).map_err(|error| malformed(error.to_string()))?;
    let plaintext = data.open(&recipient).map_err(|_| KmsFailure::WillNotOpen)?;
    let plaintext_hex = Zeroizing::new(hex::encode(plaintext.as_bytes()));
    let opened = Opened {
        plaintext_hex: &plaintext_hex,
        len: plaintext.as_bytes().len(),
        subject_key_identifier: data.subject_key_identifier().map(hex::encode),
    };
    output.result(&opened, || opened.plaintext_hex)
}

/// Bytes as they are, which begin with 30, a SEQUENCE; or base64 of that, which begins with `M`.
fn decode(input: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    match input.trim_ascii_start() {
        [b'M', ..] => match base64_text::decode(input) {
            Ok(bytes) => Ok(bytes.into()),
            Err(error) => Err(format!("begins like base64, but is not: {error}")),
        },
        _ => Ok(input.into()),
    }
}

/// Twice the longest in base64, so that there is room for white space.
const MAX_INPUT_LEN: u64 = 4 * EnvelopedData::MAX_LEN as u64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_base64_are_told_apart() {
        let bytes = [0x30, 0x80, 6, 9, 0x2a];
        assert_eq!(decode(&bytes).unwrap(), bytes.as_slice());
        for text in ["MIAGCSo=", "\n MIAG\r\nCSo=\n", "MIAGCSo"] {
            assert_eq!(decode(text.as_bytes()).unwrap(), bytes.as_slice(), "{text}");
        }
        assert!(decode(b"MIAGCSo*").is_err());
    }
}
