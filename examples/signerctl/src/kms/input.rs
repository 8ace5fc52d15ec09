//! What `kms` commands read: ciphertexts, plaintexts, encryption contexts.

use std::io::Read;
use std::path::Path;

use kms_enclave_client::EncryptionContext;
use zeroize::Zeroizing;

use super::arguments::{CiphertextArgument, CiphertextArguments, ContextPair};
use super::failure::KmsFailure;
use crate::base64_text;
use crate::failure::Failure;
use crate::files;

/// The ciphertext blob. Whether KMS would take one of its length is for the client to say.
pub(crate) fn ciphertext(arguments: &CiphertextArguments, stdin: &mut dyn Read) -> Result<Vec<u8>, Failure> {
    let from_base64 = |name: &Path, text: &[u8]| {
        let malformed = |error| Failure::Malformed { path: name.to_owned(), detail: format!("not base64: {error}") };
        base64_text::decode(text).map_err(malformed)
    };
    match (&arguments.ciphertext, &arguments.input) {
        (Some(CiphertextArgument::Base64(text)), _) => from_base64(Path::new("--ciphertext"), text.as_bytes()),
        (Some(CiphertextArgument::File(path)), _) => from_base64(path, &files::read(path, stdin, MAX_CIPHERTEXT_TEXT)?),
        // clap demands one of the two.
        (None, path) => files::read(path.as_deref().unwrap_or(Path::new("-")), stdin, MAX_CIPHERTEXT_TEXT),
    }
}

/// The plaintext to encrypt. A file that is longer than KMS takes is read so far as to say so.
pub(crate) fn plaintext(path: &Path, stdin: &mut dyn Read) -> Result<Zeroizing<Vec<u8>>, Failure> {
    files::read_secret(path, stdin, MAX_PLAINTEXT)
}

/// The encryption context, in which no name may occur twice: which of two values is meant, nobody could tell.
pub(crate) fn encryption_context(pairs: &[ContextPair]) -> Result<EncryptionContext, KmsFailure> {
    let mut context = EncryptionContext::new();
    for ContextPair { name, value } in pairs {
        if context.insert(name.clone(), value.clone()).is_some() {
            return Err(KmsFailure::ContextTwice { name: name.clone() });
        }
    }
    Ok(context)
}

/// Twice the longest blob in base64, so that there is room for white space.
const MAX_CIPHERTEXT_TEXT: u64 = 16 * 1024;
const MAX_PLAINTEXT: u32 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_the_encryption_context_is_given_once() {
        let pair = |name: &str, value: &str| ContextPair { name: name.to_owned(), value: value.to_owned() };
        let context = encryption_context(&[pair("b", "1"), pair("a", "1")]).unwrap();
        assert_eq!(context.into_keys().collect::<Vec<_>>(), ["a", "b"]);
        for second in ["1", "2"] {
            let twice = encryption_context(&[pair("a", "1"), pair("b", "1"), pair("a", second)]);
            assert!(matches!(twice, Err(KmsFailure::ContextTwice { name }) if name == "a"));
        }
    }
}
