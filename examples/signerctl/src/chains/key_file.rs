//! A secret key from a file that only its owner can read.

use std::io::Read;

use chain_signers::hd::{DerivationPath, Mnemonic};
use chain_signers::{Curve, SigningKey};
use zeroize::Zeroizing;

use super::arguments::{KeyFileArguments, KeyFormat};
use crate::failure::Failure;
use crate::files;

pub(crate) fn read(arguments: &KeyFileArguments, curve: Curve, stdin: &mut dyn Read) -> Result<SigningKey, Failure> {
    let secret = files::read_private(&arguments.key_file, stdin, MAX_KEY_FILE_LEN)?;
    let malformed = |detail: String| Failure::Malformed { path: arguments.key_file.clone(), detail };
    let text = std::str::from_utf8(&secret).map_err(|_| malformed("the file is not text".to_owned()))?.trim();
    if arguments.key_format != KeyFormat::Mnemonic && arguments.path.is_some() {
        return Err(Failure::NoPath);
    }
    match arguments.key_format {
        KeyFormat::Hex => {
            let mut bytes = Zeroizing::new([0; 32]);
            hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(text), bytes.as_mut_slice())
                .map_err(|_| malformed("a secret key is 32 bytes, 64 hexadecimal digits".to_owned()))?;
            SigningKey::from_secret_bytes(curve, bytes.as_slice()).map_err(|error| malformed(error.to_string()))
        }
        KeyFormat::Mnemonic => {
            let path = arguments.path.as_deref().ok_or(Failure::NoPath)?;
            let path: DerivationPath = path.parse().map_err(|error| malformed(format!("--path: {error}")))?;
            let passphrase = passphrase(arguments, stdin)?;
            let mnemonic = Mnemonic::from_phrase(text).map_err(|error| malformed(error.to_string()))?;
            let seed = mnemonic.to_seed(&passphrase);
            SigningKey::derive(curve, &seed, &path).map_err(|error| malformed(error.to_string()))
        }
    }
}

/// The passphrase of a file, without one line's end; empty if there is no file.
fn passphrase(arguments: &KeyFileArguments, stdin: &mut dyn Read) -> Result<Zeroizing<String>, Failure> {
    let Some(path) = &arguments.passphrase_file else { return Ok(Zeroizing::default()) };
    let secret = files::read_private(path, stdin, MAX_PASSPHRASE_LEN)?;
    let text = std::str::from_utf8(&secret)
        .map_err(|_| Failure::Malformed { path: path.clone(), detail: "the file is not text".to_owned() })?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    Ok(Zeroizing::new(text.strip_suffix('\r').unwrap_or(text).to_owned()))
}

/// A keystore is the longest: about 500 bytes.
const MAX_KEY_FILE_LEN: u32 = 16 * 1024;
const MAX_PASSPHRASE_LEN: u32 = 1024;
