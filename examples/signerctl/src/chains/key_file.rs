//! A secret key from a file that only its owner can read.

use std::io::Read;

use chain_signers::hd::{DerivationPath, Mnemonic};
use chain_signers::import::{self, ImportError, Keystore};
use chain_signers::{Curve, SigningKey};
use zeroize::Zeroizing;

use super::arguments::{KeyFileArguments, KeyFormat};
use crate::failure::Failure;
use crate::files;

pub(crate) fn read(arguments: &KeyFileArguments, curve: Curve, stdin: &mut dyn Read) -> Result<SigningKey, Failure> {
    let secret = files::read_private(&arguments.key_file, stdin, MAX_KEY_FILE_LEN)?;
    let malformed = |detail: String| Failure::Malformed { path: arguments.key_file.clone(), detail };
    let text = std::str::from_utf8(&secret).map_err(|_| malformed("the file is not text".to_owned()))?.trim();
    // Only a mnemonic has a path, and it needs one.
    if (arguments.key_format == KeyFormat::Mnemonic) != arguments.path.is_some() {
        return Err(Failure::NoPath);
    }
    let imported = |key: Result<SigningKey, ImportError>| key.map_err(|error| malformed(error.to_string()));
    let key = match arguments.key_format {
        KeyFormat::Hex => from_hex(text, curve).map_err(malformed),
        KeyFormat::Keystore => {
            let password = passphrase(arguments, stdin)?;
            imported(Keystore::from_json(text).and_then(|keystore| keystore.open(&password)))
        }
        KeyFormat::Mnemonic => derive(text, &passphrase(arguments, stdin)?, arguments, curve).map_err(malformed),
        KeyFormat::SolanaBase58 => imported(import::solana_base58(text)),
        KeyFormat::SolanaJson => imported(import::solana_json(text)),
        KeyFormat::Wif => imported(import::wif(text).map(|wif| wif.key)),
    }?;
    if key.curve() == curve {
        Ok(key)
    } else {
        Err(malformed(format!("the chain's keys are on {}, this one is on {}", curve.as_str(), key.curve().as_str())))
    }
}

fn from_hex(text: &str, curve: Curve) -> Result<SigningKey, String> {
    let mut bytes = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(text), bytes.as_mut_slice())
        .map_err(|_| "a secret key is 32 bytes, 64 hexadecimal digits".to_owned())?;
    SigningKey::from_secret_bytes(curve, bytes.as_slice()).map_err(|error| error.to_string())
}

fn derive(phrase: &str, passphrase: &str, arguments: &KeyFileArguments, curve: Curve) -> Result<SigningKey, String> {
    let path = arguments.path.as_deref().unwrap_or_default();
    let path: DerivationPath = path.parse().map_err(|error| format!("--path: {error}"))?;
    let mnemonic = Mnemonic::from_phrase(phrase).map_err(|error| error.to_string())?;
    SigningKey::derive(curve, &mnemonic.to_seed(passphrase), &path).map_err(|error| error.to_string())
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
