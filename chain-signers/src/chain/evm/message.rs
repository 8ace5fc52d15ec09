//! EIP-191, version 0x45: messages that people read and sign.

use super::{Evm, NAMESPACE, eip191::SignedData, recover_sender, rules::too_long};
use crate::{Action, Chain, ChainId, DecodeError, Encoding, Payload, error::excerpt, require};

pub(super) fn decode(payload: &Payload<'_>) -> Result<SignedData, DecodeError> {
    let message = payload.bytes;
    let chain_id = require::chain_id(payload, NAMESPACE)?;
    if message.len() > MAX_LEN {
        return Err(too_long("the message", "bytes", message.len(), MAX_LEN));
    }
    let what = if message.starts_with(&[0x19, 0x01]) {
        Some("the signing payload of typed data".to_owned())
    } else {
        as_transaction(message)
    };
    match what {
        Some(what) => Err(DecodeError::invalid("the message", "nothing that has another meaning", what)),
        None => Ok(SignedData::new(
            message.to_vec(),
            framed(message),
            chain_id.clone(),
            actions(message),
            &words(message, chain_id),
        )),
    }
}

/// The address whose key signed a message, in EIP-55 spelling.
///
/// `signature` is 65 bytes, r ‖ s ‖ v; a high S and a v other than 27 and 28 are refused. The message may be any: what
/// this crate would not sign, another signer may have.
///
/// ```
/// use chain_signers::{Chain, ChainSigner, Curve, Encoding, Payload, SigningKey, evm::{self, Evm}};
///
/// let key = SigningKey::from_secret_bytes(Curve::Secp256k1, &[0x46; 32])?;
/// let signer = ChainSigner::new(std::sync::Arc::new(Evm), key)?;
/// let chain_id = "eip155:1".parse()?;
/// let message = Evm.decode(&Payload::new(Encoding::Message, b"Hello, world!").on_chain(&chain_id))?;
/// let signed = signer.sign(message.as_ref())?;
/// assert_eq!(evm::recover_message_signer(b"Hello, world!", &signed.bytes)?, signer.address());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`DecodeError::Malformed`] if it is not a signature.
pub fn recover_message_signer(message: &[u8], signature: &[u8]) -> Result<String, DecodeError> {
    super::eip191::recover_signer(&framed(message), signature)
}

fn framed(message: &[u8]) -> Vec<u8> {
    [format!("\x19Ethereum Signed Message:\n{}", message.len()).as_bytes(), message].concat()
}

fn actions(message: &[u8]) -> Vec<Action> {
    let signed = Action::Message { framing: "eip191".into(), len: message.len() };
    let can_be_a_hash = message.len() == HASH_LEN;
    let exception = can_be_a_hash.then_some(Action::Exception { name: "message_of_32_bytes".into() });
    [Some(signed), exception].into_iter().flatten().collect()
}

fn words(message: &[u8], chain_id: &ChainId) -> String {
    let shown = match std::str::from_utf8(message) {
        Ok(text) => format!("\"{}\"", excerpt(text)),
        Err(_) => excerpt(&format!("0x{}", hex::encode(message))),
    };
    format!("sign the message {shown} of {} bytes for {chain_id} (EIP-191)", message.len())
}

/// What transaction the message is, if it reads as one in any spelling.
fn as_transaction(message: &[u8]) -> Option<String> {
    let from_hex = || {
        let text = std::str::from_utf8(message).ok()?.trim();
        hex::decode(text.strip_prefix("0x").unwrap_or(text)).ok()
    };
    let from_json = || Evm.decode(&Payload::new(Encoding::Json, message)).ok().map(|it| it.summary().text.clone());
    binary_transaction(message).or_else(|| binary_transaction(&from_hex()?)).or_else(from_json)
}

/// Also one that breaks a rule, or has no chain id: other signers may take it.
fn binary_transaction(bytes: &[u8]) -> Option<String> {
    match Evm.decode(&Payload::new(Encoding::Binary, bytes)) {
        Ok(transaction) => Some(transaction.summary().text.clone()),
        Err(
            error @ (DecodeError::ChainIdRequired { .. }
            | DecodeError::Invalid { .. }
            | DecodeError::Missing { .. }
            | DecodeError::NotCanonical { .. }),
        ) => Some(format!("a transaction that is refused: {error}")),
        Err(_) => recover_sender(bytes).ok().map(|sender| format!("a transaction signed by {sender}")),
    }
}

/// Contracts take orders by their hashes, which say nothing of what they are.
const HASH_LEN: usize = 32;
const MAX_LEN: usize = 64 * 1024;
